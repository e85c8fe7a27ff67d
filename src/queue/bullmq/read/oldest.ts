// How old what is queued is: for each queue and state the oldest that has not ended, from an index
// whose members are "w" (waits, or is being sent) or "h" (held), the queue, and the delivery, whose
// id begins with its age. However much is queued, a few members of each queue are looked at.

import type { Redis } from 'ioredis'

import { parseId, timeOf } from '../../ids.ts'
import type { Oldest } from '../../port/reader.ts'

/** Deliveries of a queue looked at together: those under way are among the oldest. */
const PAGE = 100
/** Looked at in one queue: nothing has more under way. */
const MOST = 20_000

export async function readOldest(redis: Redis, prefix: string): Promise<Oldest[]> {
  const found: Oldest[] = []
  for (const [mark, state] of [
    ['w', 'waiting'],
    ['h', 'held'],
  ] as const) {
    for (let after = mark as string; ;) {
      const queue = await nextQueue(redis, prefix, mark, after)
      if (queue === undefined) break
      found.push(...(await oldestOf(redis, prefix, mark, queue, state)))
      after = `${mark}${queue}\x01`
    }
  }
  return found
}

async function nextQueue(
  redis: Redis,
  prefix: string,
  mark: string,
  after: string,
): Promise<string | undefined> {
  const last = String.fromCharCode(mark.charCodeAt(0) + 1)
  const [member] = await redis.zrangebylex(`${prefix}/age`, `[${after}`, `(${last}`, 'LIMIT', 0, 1)
  return member?.slice(1, member.indexOf('\0'))
}

/** Of the one that waits, and of the one that is being sent. */
async function oldestOf(
  redis: Redis,
  prefix: string,
  mark: string,
  queue: string,
  state: 'waiting' | 'held',
): Promise<Oldest[]> {
  const start = `${mark}${queue}\0`
  const oldest = new Map<Oldest['state'], number>()
  let from = `[${start}`
  for (let looked = 0; looked < MOST; looked += PAGE) {
    const page = await redis.zrangebylex(
      `${prefix}/age`,
      from,
      `(${start.slice(0, -1)}\x01`,
      'LIMIT',
      0,
      PAGE,
    )
    const deliveries = page.map((member) => member.slice(start.length))
    for (const [n, is] of (await whatIs(redis, prefix, deliveries)).entries()) {
      if (is === 'gone') continue
      const its = is === 'sending' ? is : state
      if (!oldest.has(its)) oldest.set(its, acceptedAt(deliveries[n]!))
    }
    if (oldest.has(state) || page.length < PAGE) break
    from = `(${page.at(-1)}`
  }
  return [...oldest].map(([its, at]) => ({ state: its, queue, acceptedAt: at }))
}

// An entry whose delivery has ended was left by a relay that knows no such index: it goes.
async function whatIs(
  redis: Redis,
  prefix: string,
  deliveries: readonly string[],
): Promise<readonly ('there' | 'sending' | 'gone')[]> {
  if (deliveries.length === 0) return []
  const pipeline = redis.pipeline().hmget(`${prefix}/taken`, ...deliveries)
  for (const delivery of deliveries) {
    const at = delivery.lastIndexOf('-')
    pipeline.hexists(`${prefix}/m/${delivery.slice(0, at)}`, `d${delivery.slice(at + 1)}`)
  }
  const [taken, ...there] = (await pipeline.exec())!.map(([error, value]) => {
    if (error !== null) throw error
    return value
  })
  return deliveries.map((_, n) => {
    if (there[n] !== 1) return 'gone'
    return (taken as (string | null)[])[n] === null ? 'there' : 'sending'
  })
}

function acceptedAt(delivery: string): number {
  return timeOf(parseId(delivery.slice(0, 11)) ?? 0)
}
