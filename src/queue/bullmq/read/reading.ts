// What can be read of the queue over one connection: by a relay, or by a command on any machine that
// reaches Redis.

import type { Redis } from 'ioredis'

import type { Clock } from '../../../base/clock.ts'
import type { Destination } from '../../../mail/destination.ts'
import { LIVE } from '../../fits.ts'
import { parseScope, underHolds } from '../../holds.ts'
import { numberAt, parseId } from '../../ids.ts'
import type { ProcessEntry } from '../../port/control.ts'
import type { Changes, Since } from '../../port/history.ts'
import type { TroubleFacts } from '../../port/outflow.ts'
import type {
  Count,
  Entry,
  Filter,
  GroupBy,
  Oldest,
  Page,
  StandingHold,
  Suspension,
  Trace,
} from '../../port/reader.ts'
import type { MessageId, OperatorAct } from '../../port/types.ts'
import { readChanges } from './changes.ts'
import { factOfMessage, factsOf, withKnownIds } from './facts.ts'
import { find, messageOf, readMessages } from './find.ts'
import { destinationOf, laneOf } from '../link/keys.ts'
import { readOldest } from './oldest.ts'
import type { DeliveryRow, MessageRow } from '../calls/rows.ts'
import type { Said } from '../calls/process.ts'
import type { LeaseTime } from '../link/time.ts'

/** Messages read at once. */
const TOGETHER = 250
const RECOVERY = 'Redis was restarted, and whoever was at work says first what came of it'

type Stop = Omit<Suspension, 'lane' | 'cause' | 'since'> & TroubleFacts

export class Reading {
  #redis: Redis
  #prefix: string
  #clock: Clock
  #time: Pick<LeaseTime, 'now'>

  constructor(redis: Redis, prefix: string, clock: Clock, time: Pick<LeaseTime, 'now'>) {
    this.#redis = redis
    this.#prefix = prefix
    this.#clock = clock
    this.#time = time
  }

  /** Recipients that fit, with the holds that lie on them. */
  async find(filter: Filter, wish: { limit: number; cursor?: string }): Promise<Page> {
    const page = await find(this.#redis, this.#prefix, filter, wish)
    return { ...page, entries: underHolds(page.entries, await this.holds()) }
  }

  async trace(text: MessageId): Promise<Trace | undefined> {
    const id = ((await this.#redis.get(this.#key(`alias/${text}`))) ?? text) as MessageId
    const fields = await this.#redis.hgetall(this.#key(`m/${id}`))
    if (fields['m'] === undefined) return undefined
    const [found] = await readMessages(this.#redis, this.#prefix, [id])
    const read = found?.entries ?? messageOf(id, fields, new Set()).entries
    const entries = underHolds(read, await this.holds())
    const facts = await withKnownIds(this.#redis, this.#prefix, factsOf(fields))
    return {
      id,
      facts: [factOfMessage(id, fields['m']), ...facts],
      entries,
      ...(await this.#stopsOf(entries)),
    }
  }

  changes(since: Since, count: number): Promise<Changes> {
    return readChanges(this.#redis, this.#prefix, since, count)
  }

  oldest(): Promise<Oldest[]> {
    return readOldest(this.#redis, this.#prefix)
  }

  async suspensions(): Promise<Suspension[]> {
    const all = await this.#redis.hgetall(this.#key('suspended'))
    return this.#stillSuspended(Object.entries(all))
  }

  async holds(): Promise<StandingHold[]> {
    const all = await this.#redis.hgetall(this.#key('holds'))
    return Object.entries(all)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, text]) => {
        const by = JSON.parse(text) as OperatorAct & { readonly at: number }
        return { scope: parseScope(name), ...by }
      })
  }

  async processes(): Promise<ProcessEntry[]> {
    const [all, alive] = await Promise.all([
      this.#redis.hgetall(this.#key('processes')),
      this.#redis.zrangebyscore(this.#key('alive'), `(${this.#time.now()}`, '+inf'),
    ])
    return Object.entries(all)
      .map(([id, text]) => {
        const { home: _, ...entry } = JSON.parse(text) as Said
        return { id, ...entry, isDead: !alive.includes(id) }
      })
      .sort((one, other) => one.startedAt - other.startedAt)
  }

  async counts(by: GroupBy, ages?: readonly number[]): Promise<Count[]> {
    const counts =
      ages === undefined && (by === 'state' || by === 'queue' || by === 'destination')
        ? await this.#counted(by)
        : await this.#scan(by, ages)
    return counts.sort((one, other) => other.count - one.count || (one.key < other.key ? -1 : 1))
  }

  /** What is kept up to date with every step. */
  async #counted(by: 'state' | 'queue' | 'destination'): Promise<Count[]> {
    const groups = new Map<string, number>()
    let queued = 0
    for await (const [name, count] of this.#counters()) {
      const [queue = '', destination = ''] = name.split(' ')
      const key = by === 'queue' ? queue : destination
      groups.set(key, (groups.get(key) ?? 0) + count)
      queued += count
    }
    if (by !== 'state') return [...groups].map(([key, count]) => ({ key, count }))
    const held = Number((await this.#redis.get(this.#key('held'))) ?? 0)
    const sending = await this.#sending()
    const states = { waiting: queued - sending - held, sending, held }
    return Object.entries(states)
      .filter(([, count]) => count > 0)
      .map(([key, count]) => ({ key, count }))
  }

  /** Recipients that wait, by "queue destination"; a great many are read in steps. */
  async *#counters(): AsyncGenerator<readonly [name: string, count: number]> {
    const seen = new Set<string>()
    let cursor = '0'
    do {
      const [next, found] = await this.#redis.hscan(this.#key('count'), cursor, 'COUNT', 1000)
      cursor = next
      for (let at = 0; at < found.length; at += 2) {
        if (seen.has(found[at]!)) continue
        seen.add(found[at]!)
        yield [found[at]!, Number(found[at + 1])]
      }
    } while (cursor !== '0')
  }

  /** Recipients of what is under way. */
  async #sending(): Promise<number> {
    const taken = await this.#redis.hkeys(this.#key('taken'))
    const pipeline = this.#redis.pipeline()
    for (const delivery of taken) {
      const at = delivery.lastIndexOf('-')
      pipeline.hget(this.#key(`m/${delivery.slice(0, at)}`), `d${delivery.slice(at + 1)}`)
    }
    const rows = (await pipeline.exec()) ?? []
    return rows.reduce((sum, [, text]) => sum + waitingIn(text as string | null), 0)
  }

  /** By looking at all that is queued. */
  async #scan(by: GroupBy, ages?: readonly number[]): Promise<Count[]> {
    const groups = new Map<string, { count: number; ages: number[] }>()
    const bounds = (ages ?? []).map((age) => numberAt(this.#clock.now() - age))
    let cursor: string | undefined
    do {
      const wish = { limit: 5000, ...(cursor === undefined ? {} : { cursor }) }
      const page = await this.find({ states: LIVE }, wish)
      const users = by === 'user' ? await this.#submitters(page.entries) : undefined
      for (const entry of page.entries) {
        const key = users?.get(entry.id) ?? keyOf(by, entry)
        const group = groups.get(key) ?? { count: 0, ages: [0, ...bounds.map(() => 0)] }
        group.count++
        group.ages[bandOf(entry.id, bounds)]!++
        groups.set(key, group)
      }
      cursor = page.cursor
    } while (cursor !== undefined)
    return [...groups].map(([key, group]) => {
      return { key, count: group.count, ...(ages === undefined ? {} : { ages: group.ages }) }
    })
  }

  async #submitters(entries: readonly Entry[]): Promise<ReadonlyMap<MessageId, string>> {
    const ids = [...new Set(entries.map(({ id }) => id))]
    const users = new Map<MessageId, string>()
    for (let at = 0; at < ids.length; at += TOGETHER) {
      const page = ids.slice(at, at + TOGETHER)
      const pipeline = this.#redis.pipeline()
      for (const id of page) pipeline.hget(this.#key(`m/${id}`), 'm')
      for (const [n, [, text]] of (await pipeline.exec())!.entries()) {
        if (typeof text !== 'string') continue
        const { user, client } = (JSON.parse(text) as MessageRow).env.submitter
        users.set(page[n]!, user ?? (client === undefined ? 'relay' : `[${client}]`))
      }
    }
    return users
  }

  async #stopsOf(entries: readonly Entry[]): Promise<Pick<Trace, 'suspended' | 'busy'>> {
    const waiting = entries.filter(({ next }) => next !== undefined)
    const lanes = new Set(waiting.map(({ destination }) => destination))
    if (lanes.size === 0) return { suspended: [] }
    const suspended = (await this.suspensions()).filter(({ lane }) => lanes.has(lane))
    return {
      suspended: [...(await this.#recoveryIn(lanes)), ...suspended],
      busy: await this.#busyOf([...lanes]),
    }
  }

  /** Nothing is claimed for a time after the server was restarted. */
  async #recoveryIn(lanes: Iterable<Destination>): Promise<Suspension[]> {
    const recoveryPause =
      Number(await this.#redis.get(this.#key('recovery-pause'))) - this.#time.now()
    if (recoveryPause <= 0) return []
    const until = this.#clock.now() + recoveryPause
    const since = this.#clock.now()
    return Array.from(lanes, (lane) => ({ lane, until, reason: RECOVERY, cause: 'other', since }))
  }

  async #busyOf(lanes: readonly Destination[]): Promise<Destination[]> {
    const processes = await this.processes()
    const able = processes.filter(({ isDead, roles }) => !isDead && roles.includes('deliver'))
    if (able.length === 0) return []
    const names = lanes.map(laneOf)
    const full = await Promise.all(
      able.map(({ id }) => this.#redis.smismember(this.#key(`full/${id}`), names)),
    )
    return lanes.filter((_, at) => full.every((each) => each[at] === 1))
  }

  #stillSuspended(all: readonly (readonly [string, string])[]): Suspension[] {
    const now = this.#clock.now()
    return all
      .map(([lane, text]) => {
        const stop = JSON.parse(text) as Stop
        // What a relay of before has written lacks the last two.
        const { site, until, reason, cause = 'other', since = 0 } = stop
        const about = { until, reason, cause, since, ...(site === undefined ? {} : { site }) }
        return { lane: destinationOf(lane), ...about }
      })
      .filter(({ until }) => until > now)
      .sort((one, other) => (one.lane < other.lane ? -1 : 1))
  }

  #key(name: string): string {
    return `${this.#prefix}/${name}`
  }
}

function keyOf(by: GroupBy, { state, queue, destination, from, to }: Entry): string {
  switch (by) {
    case 'state':
      return state
    case 'queue':
      return queue
    case 'destination':
      return destination
    case 'sender':
      return from === '' ? '<>' : from
    case 'user': // told by the message alone
      return 'relay'
    case 'domain':
      return to.slice(to.lastIndexOf('@') + 1)
  }
}

/** Ids are in order of time: which of the bands, the youngest first. */
function bandOf(id: MessageId, bounds: readonly number[]): number {
  const number = parseId(id.slice(0, 11)) ?? 0
  const band = bounds.findIndex((bound) => number >= bound)
  return band === -1 ? bounds.length : band
}

function waitingIn(text: string | null): number {
  return text === null ? 0 : (JSON.parse(text) as DeliveryRow).r.length
}
