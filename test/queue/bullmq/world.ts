// Processes that share a queue in Redis, for tests of that engine alone: each on a clock of its own or on
// the world's, with what it reported; and a plain client that looks into the server behind their backs.

import type { Redis } from 'ioredis'

import type { Cancel, Clock } from '../../../src/base/clock.ts'
import type { RelayEvent } from '../../../src/mail/event.ts'
import { readAddress } from '../../../src/queue/bullmq/link/address.ts'
import { openBullmqQueue, type BullmqOptions } from '../../../src/queue/bullmq/queue.ts'
import { createOwnTime } from '../../../src/queue/bullmq/link/time.ts'
import type { About } from '../../../src/queue/port/control.ts'
import type { Queue } from '../../../src/queue/port/queue.ts'
import { ManualClock } from '../../peers/clock.ts'
import { until } from '../../peers/patience.ts'
import type { RedisServer } from '../../peers/redis.ts'

/** How long a lease lasts that nobody renews; a sixth of it, between two signs of life, is no round. */
export const LEASE = 66_000
/** Between two rounds of what is done beside the work. */
export const ROUND = 10_000

/** Sees when a process has ended its round: then it asks to be called for the next. */
class WorldClock extends ManualClock {
  rounds = 0

  override after(milliseconds: number, call: () => void): Cancel {
    if (milliseconds === ROUND) this.rounds++
    return super.after(milliseconds, call)
  }
}

export interface World extends AsyncDisposable {
  /** Of all processes that have none of their own. */
  readonly clock: ManualClock
  /** What all keys of this world begin with, in braces. */
  readonly prefix: string
  readonly redis: Redis
  readonly told: RelayEvent[]
  open(options?: Partial<BullmqOptions>): Promise<Queue>
  /** A process that hangs: time goes by for all but this one. */
  openFrozen(about?: Partial<About>): Promise<Queue>
  /** Lets time go by, and each process end a round of what is done beside the work. */
  round(milliseconds?: number): Promise<void>
}

let worlds = 0

/** @param url where the processes find Redis, when something stands between */
export async function openWorld(server: RedisServer, url = server.url): Promise<World> {
  const parts = new AsyncDisposableStack()
  const clock = new WorldClock()
  let processes = 0
  const name = `world${++worlds}`
  const told: RelayEvent[] = []
  const redis = parts.adopt(await server.client(), (client) => client.disconnect())
  const open = async (options: Partial<BullmqOptions> = {}): Promise<Queue> => {
    const own = options.clock ?? clock
    const before = roundsOf(own)
    const whole: BullmqOptions = {
      address: readAddress(url),
      prefix: name,
      clock: own,
      wish: { replicas: 0, relaxed: false },
      about: () => aboutOf({}),
      report: (event) => void told.push(event),
      leaseMilliseconds: LEASE,
      time: createOwnTime(own),
      ...options,
    }
    const queue = parts.use(await openBullmqQueue(whole))
    if (own === clock) processes++
    await until(
      () => !(own instanceof WorldClock) || roundsOf(own) > before,
      () => 'its first round',
    )
    return queue
  }
  return {
    clock,
    prefix: `{${name}}`,
    redis,
    told,
    open,
    openFrozen: (about = {}) =>
      open({ clock: new WorldClock(clock.now()), about: () => aboutOf(about) }),
    async round(milliseconds = ROUND) {
      const ended = clock.rounds + processes
      clock.pass(milliseconds)
      await until(
        () => clock.rounds >= ended,
        () => 'a round',
      )
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function roundsOf(clock: Clock): number {
  return clock instanceof WorldClock ? clock.rounds : 0
}

export function aboutOf(about: Partial<About>): About {
  return {
    name: 'test',
    hostname: 'relay.test',
    roles: ['listen', 'deliver'],
    sources: ['test'],
    listeners: [],
    ...about,
  }
}

/** What was reported in words. */
export function notes({ told }: World): string[] {
  return told.flatMap((event) => (event.kind === 'note' ? [event.text] : []))
}

export async function whenBack(queue: Queue): Promise<void> {
  await until(
    () => queue.refuses() === undefined,
    () => 'Redis to be back',
  )
}

export async function whenAway(queue: Queue): Promise<void> {
  await until(
    () => queue.refuses() === 'away',
    () => 'the queue to see that Redis is away',
  )
}

/** The server ends the connections of all processes. */
export async function cutAll({ redis }: World): Promise<void> {
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
}
