// The queue in Redis for commands: read and steered over one connection from any machine that reaches it,
// whether a relay runs or not, and whatever the server promises.

import type { Redis } from 'ioredis'

import { systemClock } from '../../base/clock.ts'
import type { Store } from '../../store/store.ts'
import type { EngineStatus, QueueControl } from '../port/control.ts'
import type { ContentReader } from '../port/reader.ts'
import type { RedisAddress } from './link/address.ts'
import { Caller } from './calls/caller.ts'
import { durabilityOf, lackOf, readFacts } from './link/durability.ts'
import type { DurabilityWish } from './link/durability.ts'
import { prefixOf } from './link/keys.ts'
import { choose, connectionTo, reasonOf, unreachable } from './link/link.ts'
import { newProcessId } from './calls/process.ts'
import { readRaw } from './read/raw.ts'
import { RedisState } from './read/state.ts'
import { Reading } from './read/reading.ts'
import { describe } from './read/status.ts'
import { formatBucket } from './s3/address.ts'
import type { BucketAddress } from './s3/address.ts'
import { Steering } from './write/steering.ts'
import { askTime, createServerTime } from './link/time.ts'
import type { LeaseTime } from './link/time.ts'

export interface RemoteOptions {
  readonly address: RedisAddress
  readonly prefix: string
  readonly wish: DurabilityWish
  readonly content?: BucketAddress
}

export interface RemoteQueue extends QueueControl, ContentReader {
  readonly state: Store
}

/** Rejects with what is wrong when Redis cannot be reached. */
export async function openBullmqRemote(options: RemoteOptions): Promise<RemoteQueue> {
  const { redis, caller, time } = await openCaller(options)
  const prefix = caller.prefix
  const reading = new Reading(redis, prefix, systemClock, time)
  const now = (): number => systemClock.now()
  const steering = new Steering({ redis, caller, reading, heard: () => {}, now })
  return {
    state: new RedisState(redis, redis, caller, systemClock),
    find: reading.find.bind(reading),
    counts: reading.counts.bind(reading),
    oldest: reading.oldest.bind(reading),
    trace: reading.trace.bind(reading),
    changes: reading.changes.bind(reading),
    suspensions: reading.suspensions.bind(reading),
    holds: reading.holds.bind(reading),
    processes: reading.processes.bind(reading),
    steer: steering.steer.bind(steering),
    hold: steering.hold.bind(steering),
    unhold: steering.unhold.bind(steering),
    raw: (id) =>
      readRaw(
        redis,
        prefix,
        id,
        options.content === undefined
          ? undefined
          : { address: options.content, prefix: options.prefix },
      ),
    engine: async () => ({
      ...(await engineOf(redis, options)),
      ...(await recoveryOf(redis, caller, time)),
      ...(await contentOf(options)),
    }),
    async [Symbol.asyncDispose]() {
      redis.disconnect()
    },
  }
}

/** A connection that knows our scripts, and the server's time. */
export async function openCaller({ address, prefix }: RemoteOptions) {
  const redis = connectionTo(address, 'command')
  let failed: Error | undefined
  redis.on('error', (error: Error) => (failed = error))
  try {
    await redis.connect()
    await choose(redis, address)
    const time = createServerTime(systemClock)
    await askTime(redis, time, systemClock)
    const me = newProcessId()
    const caller = new Caller({ prefix: prefixOf(prefix), me, clock: systemClock, time })
    return { redis, caller, time }
  } catch (error) {
    redis.disconnect()
    const reason = reasonOf(failed ?? (error as Error))
    throw new Error(unreachable(address, reason), { cause: error })
  }
}

async function engineOf(redis: Redis, { address, wish }: RemoteOptions): Promise<EngineStatus> {
  const facts = await readFacts(redis)
  try {
    const durability = durabilityOf(facts, wish, address.kind === 'sentinel')
    const trouble = lackOf(facts.replicas, wish)
    return {
      ...describe(address, facts, durability),
      ...(trouble === undefined ? {} : { trouble }),
    }
  } catch (error) {
    const trouble = (error as Error).message
    const says = 'a relay that starts on this server is refused'
    const none = { says, isRelaxed: true, wait: { kind: 'nothing' } } as const
    return { ...describe(address, facts, none), trouble }
  }
}

async function recoveryOf(
  redis: Redis,
  { prefix }: Caller,
  time: LeaseTime,
): Promise<Partial<EngineStatus>> {
  const recoveryPause = Number(await redis.get(`${prefix}/recovery-pause`)) - time.now()
  return recoveryPause > 0 ? { recoveryPause } : {}
}

// Redis' own trouble is seen before this; the bucket is asked once.
async function contentOf({ content, prefix }: RemoteOptions): Promise<Partial<EngineStatus>> {
  if (content === undefined) return {}
  const { openBucket } = await import('./s3/bucket.ts')
  try {
    const bucket = await openBucket(content, prefix)
    bucket.close()
    return { content: bucket.at }
  } catch (error) {
    return { content: formatBucket(content), trouble: (error as Error).message }
  }
}
