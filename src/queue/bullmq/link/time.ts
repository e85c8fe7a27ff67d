// The clock by which leases are measured. Every process of a relay must read the same one, so it is
// the server's; between two looks at it the own clock that nobody sets tells how time goes by.

import type { Redis } from 'ioredis'

import { steady } from '../../../base/clock.ts'
import type { Clock } from '../../../base/clock.ts'

export interface LeaseTime {
  /** Milliseconds, whole. */
  now(): number
  /**
   * The server said this was its time (in milliseconds) between two moments of the own clock.
   * Answers by how much we were wrong; the first time we knew nothing.
   */
  learn(server: number, asked: number, answered: number): number
}

export function createServerTime(clock: Clock): LeaseTime {
  let offset: number | undefined
  return {
    now: () => Math.floor(steady(clock) + (offset ?? 0)),
    learn(server, asked, answered) {
      const found = server - (asked + answered) / 2
      const wrong = offset === undefined ? 0 : found - offset
      offset = found
      return wrong
    },
  }
}

/** Asks the server for its time; answers by how much we were wrong, in milliseconds. */
export async function askTime(redis: Redis, time: LeaseTime, clock: Clock): Promise<number> {
  const asked = steady(clock)
  const [seconds, microseconds] = await redis.time()
  return time.learn(Number(seconds) * 1000 + Number(microseconds) / 1000, asked, steady(clock))
}

/** The own clock alone: for one process whose test owns the time. */
export function createOwnTime(clock: Clock): LeaseTime {
  return { now: () => Math.floor(steady(clock)), learn: () => 0 }
}
