// The queue in Redis, as the rest of the relay sees it: any number of processes share it. BullMQ keeps the
// lanes; the record of each message, and what no job store knows of, is ours (see lua/). Every step is
// one transaction and one round trip.

import type { Clock } from '../../base/clock.ts'
import { formatAddress } from '../../mail/address.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Report } from '../../mail/event.ts'
import { FreshMail } from '../fresh.ts'
import { QueueError } from '../port.ts'
import type {
  About,
  Act,
  ContentRef,
  Count,
  Delivery,
  EngineStatus,
  Filter,
  GroupBy,
} from '../port.ts'
import type {
  Lease,
  Loan,
  MessageId,
  NewMail,
  OperatorAct,
  Page,
  ProcessEntry,
  Queue,
} from '../port.ts'
import type { Settlement, StandingHold, Steered, Suspension, Taken, Trace } from '../port.ts'
import { factOf, freshDelivery } from '../settled.ts'
import { Accepting } from './accepting.ts'
import type { RedisAddress } from './address.ts'
import { Batches } from './batches.ts'
import type { Fill } from './batches.ts'
import { answerOf, Caller } from './caller.ts'
import type { Answer } from './caller.ts'
import { Chores } from './chores.ts'
import { RedisContent, storeContent } from './content.ts'
import type { Chunks, ContentStore, StoreWorld } from './content.ts'
import type { DurabilityWish, ServerFacts } from './durability.ts'
import { eventOf } from './echo.ts'
import { laneOf, prefixOf } from './keys.ts'
import { Lanes, setBytes } from './lanes.ts'
import { Link } from './link.ts'
import type { LinkChange } from './link.ts'
import { Memory } from './memory.ts'
import { Beat, isOwnId, newProcessId, tagOf } from './process.ts'
import { Reading, scopeName } from './reading.ts'
import { BACKUP } from './remote.ts'
import { acceptRow, dueAfter, loadedDelivery, settleRow } from './rows.ts'
import type { AcceptRow, LoadedRow } from './rows.ts'
import { statusOf } from './status.ts'
import { Steering } from './steering.ts'
import { createServerTime } from './time.ts'
import type { LeaseTime } from './time.ts'
import { Wakes } from './wakes.ts'

export interface BullmqOptions {
  readonly address: RedisAddress
  /** What all keys begin with; `waypost` by default. */
  readonly prefix?: string
  readonly clock: Clock
  readonly wish: DurabilityWish
  readonly about: () => About
  readonly report?: Report
  /** How long a message is remembered after its end, in milliseconds; 7 days by default. */
  readonly historyAge?: number
  /** Bytes of history above which the oldest is forgotten sooner; 1 GB by default. */
  readonly historySize?: number | undefined
  /** How long a lease lasts that nobody renews; 30 seconds by default. */
  readonly leaseMilliseconds?: number
  /** Bytes of mail kept in memory between acceptance and first attempt. */
  readonly memory?: number
  /** What leases are measured by; the server's clock by default. */
  readonly time?: LeaseTime
  /** Where content lives that does not ride along; in Redis by default. */
  readonly store?: (world: StoreWorld) => ContentStore
}

const WEEK = 7 * 24 * 3_600_000
const GIGABYTE = 1024 ** 3
const LEASE = 30_000
/** Lanes of one call. */
const TOGETHER = 500

const nothing = (): void => {}

/** Opens the queue; rejects with what to do when Redis is not there or does not keep what it is told. */
export async function openBullmqQueue(options: BullmqOptions): Promise<Queue> {
  const queue = new BullmqQueue(options)
  try {
    await queue.open()
    return queue
  } catch (error) {
    await queue[Symbol.asyncDispose]()
    throw error
  }
}

class BullmqQueue implements Queue {
  #options: BullmqOptions
  #clock: Clock
  #report: Report
  #length: number
  #time: LeaseTime
  #link: Link
  #caller: Caller
  #lanes: Lanes
  #beat: Beat
  #accepting: Accepting
  #batches: Batches
  #store: ContentStore
  #fresh: FreshMail<MessageId>
  #reading: Reading
  #steering: Steering
  #wakes: Wakes
  #memory: Memory | undefined
  #chores: Chores | undefined
  /** What a lease's fetches are made of. */
  #fetches = new Map<string, Promise<readonly unknown[]>>()
  #full = new Set<string>()
  #lastLease = 0
  #lastNotice = 0
  #calmUntil = 0
  #closing: Promise<void> | undefined

  constructor(options: BullmqOptions) {
    const { address, clock, wish } = options
    const prefix = prefixOf(options.prefix ?? 'waypost')
    const time = (this.#time = options.time ?? createServerTime(clock))
    const me = newProcessId()
    this.#options = options
    this.#clock = clock
    this.#report = options.report ?? nothing
    this.#length = options.leaseMilliseconds ?? LEASE
    const { name } = options.about()
    const arrive = (facts: ServerFacts): Promise<void> => this.#arrive(facts)
    const tell = (change: LinkChange): void => this.#changed(change)
    const link = (this.#link = new Link({ address, wish, clock, name, arrive, tell }))
    const caller = (this.#caller = new Caller({ prefix, me, clock, time }))
    const leases = (): number => this.#fetches.size
    const { about } = options
    const beat = { link, caller, clock, time, about, length: this.#length, leases }
    this.#beat = new Beat(beat, tagOf(me))
    this.#lanes = new Lanes(prefix)
    const note: StoreWorld['note'] = (...words) => this.#note(...words)
    const failed = this.#failed('A chore of the object store failed and is tried again')
    const world = { link, caller, clock, note, failed }
    this.#store = options.store?.(world) ?? new RedisContent(link, prefix, me)
    this.#fresh = new FreshMail(options.memory ?? 64 * 1024 * 1024)
    this.#reading = new Reading(link.reading, prefix, clock, time)
    const redis = link.work
    const heard = (answer: Answer): void => this.#heard(answer)
    const now = (): number => clock.now()
    this.#steering = new Steering({ redis, caller, reading: this.#reading, heard, now })
    this.#wakes = new Wakes(clock, (lane) => this.#full.has(lane))
    const committed = (milliseconds: number, operations: number): void =>
      this.#report({ kind: 'committed', at: clock.now(), milliseconds, operations })
    this.#accepting = new Accepting(link, committed)
    this.#batches = new Batches({ link, redis, committed })
  }

  async open(): Promise<void> {
    const { historyAge = WEEK, historySize = GIGABYTE } = this.#options
    const [link, caller, clock] = [this.#link, this.#caller, this.#clock]
    await link.open()
    await this.#wakes.listen(link.hearing, `${caller.prefix}/wake`, caller.me)
    const memory = (this.#memory = new Memory(link, clock))
    this.#beat.start(this.#length / 6, this.#failed('Cannot give a sign of life'))
    this.#chores = new Chores({
      link,
      caller,
      clock,
      memory,
      historyAge,
      historySize,
      store: this.#store,
      steering: this.#steering,
      length: this.#length,
      heard: (answer) => this.#heard(answer),
      failed: this.#failed('A chore of the queue failed and is tried again'),
    })
  }

  newId(): MessageId {
    return this.#beat.newId()
  }

  refuses(): 'full' | 'away' | undefined {
    if (this.#link.down !== undefined || this.#store.trouble !== undefined) return 'away'
    return this.#memory?.isFull === true ? 'full' : undefined
  }

  async engine(): Promise<EngineStatus> {
    return statusOf(this.#options.address, this.#link, this.#memory, this.#store)
  }

  async store(id: MessageId, chunks: Chunks): Promise<ContentRef> {
    this.#checkRoom()
    return storeContent(this.#store, id, chunks)
  }

  async discard({ key, bytes }: ContentRef): Promise<void> {
    if (bytes === undefined) await this.#store.remove(key as MessageId)
  }

  async accept(mail: NewMail): Promise<MessageId> {
    this.#checkRoom()
    const row = await this.#acceptRow(mail, isOwnId(mail.id) ? mail.id : this.newId())
    const { id } = row.given
    this.#fresh.keep(id, mail)
    try {
      const replies = await this.#accepting.accept({
        fill: this.#acceptance(mail, row),
        withdraw: () => this.#withdraw(row),
      })
      return this.#accepted(replies)
    } catch (error) {
      this.#fresh.drop(id)
      this.#store.unseal?.(id)
      throw error
    }
  }

  async #acceptRow(mail: NewMail, id: MessageId, after?: string): Promise<AcceptRow> {
    await this.#store.seal?.(mail, id)
    const keeper = id === mail.id ? this.#caller.me : undefined
    return acceptRow(mail, id, keeper, this.#store.chunksOf(mail.content), after)
  }

  #acceptance(mail: NewMail, row: AcceptRow): Fill {
    return (multi) => {
      for (const [index, delivery] of mail.deliveries.entries()) {
        const lane = this.#lanes.get(delivery.destination)
        lane.add(multi, `${row.given.id}-${index + 1}`, delivery, mail.at)
      }
      if (row.bytes !== undefined)
        setBytes(multi, `${this.#caller.prefix}/c/${row.given.id}`, row.bytes)
      this.#caller.join(multi, 'accept', row.given, ...row.fields)
    }
  }

  #accepted(replies: readonly unknown[]): MessageId {
    const answer = answerOf(replies.at(-1))
    const [kind, id] = (answer.value as Buffer[]).map(String)
    this.#heard(answer)
    if (kind === 'used')
      throw new QueueError('used', 'The key was used, and can be used again later')
    if (kind === 'swept') throw new QueueError('failing', 'Its content was swept before')
    if (kind === 'clash') throw new QueueError('failing', `Another message has the id "${id}"`)
    return id as MessageId
  }

  async #withdraw({ given: { id, to, from, outside } }: AcceptRow): Promise<void> {
    const words = { id, to, from, outside }
    await this.#caller.call(this.#link.work, 'withdraw', words)
  }

  async claim(count: number): Promise<Lease[]> {
    this.#link.check()
    const from = this.#wakes.cursors()
    const given = {
      count,
      length: this.#length,
      number: this.#lastLease,
      from,
      full: this.#full.size > 0,
    }
    this.#lastLease += count
    const answer = await this.#call('claim', given)
    type Claimed = [
      leases: [id: string, lane: string, priority: number][],
      from: string[],
      calm: number,
    ]
    const [leases, left, calm] = answer.value as Claimed
    this.#wakes.left(left)
    this.#calmUntil = calm > 0 ? this.#clock.now() + calm : 0
    const until = this.#clock.now() + this.#length
    return leases.map(([id, lane, priority]) => {
      this.#fetches.set(id, this.#lanes.get(lane).fetchWords(id))
      return { id, lane: lane as Destination, priority, until }
    })
  }

  async nextDue(): Promise<number | undefined> {
    const given = { from: this.#wakes.cursors(), full: this.#full.size > 0 }
    const { value } = await this.#call('next_due', given)
    return value === '' ? undefined : Math.max(Number(value), this.#calmUntil)
  }

  onWake(listener: () => void): void {
    this.#wakes.listeners.push(listener)
  }

  full(lanes: readonly Destination[], full: boolean): void {
    const names = lanes.map(laneOf).filter((lane) => this.#full.has(lane) !== full)
    for (const lane of names)
      if (full) this.#full.add(lane)
      else this.#full.delete(lane)
    for (let at = 0; at < names.length; at += TOGETHER) {
      const given = { lanes: names.slice(at, at + TOGETHER), full }
      this.#call('full', given).catch(nothing)
    }
  }

  async renew(leases: readonly Lease[]): Promise<void> {
    this.#link.check()
    const score = this.#time.now() + this.#length
    const key = `${this.#caller.prefix}/leases`
    const words = leases.flatMap(({ id }) => [score, id])
    for (let at = 0; at < words.length; at += 2 * TOGETHER)
      await this.#link.work.zadd(key, 'XX', ...words.slice(at, at + 2 * TOGETHER))
  }

  async release(lease: Lease): Promise<void> {
    this.#fetches.delete(lease.id)
    await this.#call('release', { lease: lease.id })
  }

  async take(lease: Lease): Promise<Taken> {
    const lane = this.#lanes.get(lease.lane)
    const words = await this.#fetchWords(lease)
    const given = { lane: lane.name, lease: lease.id }
    for (;;) {
      const replies = await this.#batches.call((multi) => {
        lane.fetch(multi, words)
        this.#caller.join(multi, 'took', given)
      })
      const taken = await this.#taken(answerOf(replies.at(-1)), lease)
      if (taken !== 'again') return taken
    }
  }

  #fetchWords({ id, lane }: Lease): Promise<readonly unknown[]> {
    return this.#fetches.get(id) ?? this.#lanes.get(lane).fetchWords(id)
  }

  async settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
  ): Promise<Taken | undefined> {
    const notices = await this.#noticeRows(settlement)
    const goesOn = next !== undefined && next.id === delivery.lease
    const replies = await this.#batches.call((multi) => {
      this.#addSettle(multi, delivery, settlement, goesOn, notices[0]?.row.given.after)
      for (const { mail, row } of notices) this.#acceptance(mail, row)(multi)
    })
    const place = delivery.lease === undefined ? 0 : 1
    this.#tellNotices(notices, replies)
    const taken = await this.#taken(answerOf(replies[place]), next)
    if (next === undefined) return undefined
    return goesOn && taken !== 'again' ? taken : this.take(next)
  }

  #addSettle(
    multi: Parameters<Fill>[0],
    delivery: Delivery,
    settlement: Settlement,
    next: boolean,
    after: string | undefined,
  ): void {
    const { id, message, lease, destination } = delivery
    const lane = this.#lanes.get(destination)
    // What a sweep has taken has no job; whatever goes elsewhere gets one there by our script.
    if (lease !== undefined) {
      const due = settlement.moveTo === undefined ? dueAfter(delivery, settlement) : undefined
      if (due === undefined) lane.finish(multi, id, lease, next)
      else lane.delay(multi, id, lease, due, next)
    }
    const base = {
      id: message,
      n: Number(id.slice(message.length + 1)),
      lane: lane.name,
      lease: lease ?? this.#caller.me,
      ...(after === undefined ? {} : { after }),
      ...(next ? { next: lease! } : {}),
    }
    const fact = factOf(id, settlement) ?? ''
    this.#caller.join(multi, 'settle', settleRow(base, settlement), fact)
  }

  async #noticeRows({ notices = [] }: Settlement): Promise<readonly Notice[]> {
    if (notices.length === 0) return []
    const after = `${this.#caller.me}.${++this.#lastNotice}`
    return Promise.all(
      notices.map(async (mail) => {
        const id = isOwnId(mail.id) ? mail.id : this.newId()
        return { mail, row: await this.#acceptRow(mail, id, after) }
      }),
    )
  }

  // A client's message is told by the listener; nobody else sees what the relay writes itself.
  #tellNotices(notices: readonly Notice[], replies: readonly unknown[]): void {
    let at = replies.length
    for (const { mail, row } of notices.toReversed()) {
      const answer = answerOf(replies[at - 1])
      at -= 1 + mail.deliveries.length + (row.bytes === undefined ? 0 : 1)
      this.#heard(answer)
      const [kind, id] = (answer.value as Buffer[]).map(String)
      if (kind === 'swept') void this.accept(mail).catch(this.#failed('A notice was not written'))
      if (kind !== 'accepted' || id !== row.given.id) continue
      const { recipients, submitter, size: bytes } = mail.envelope
      const { protocol, rule } = submitter
      const to = recipients.map(({ address }) => formatAddress(address))
      const from = row.given.from === '' ? '<>' : row.given.from
      this.#report({ kind: 'accepted', at: mail.at, id, from, to, bytes, protocol, rule })
    }
  }

  async #taken(answer: Answer, lease: Lease | undefined): Promise<Taken | 'again'> {
    this.#heard(answer)
    if (lease === undefined || !Array.isArray(answer.value))
      return { kind: 'idle', until: undefined }
    const row = answer.value as Buffer[]
    switch (String(row[0])) {
      case 'again':
        return 'again'
      case 'fresh':
        return this.#freshly(String(row[1]) as MessageId, Number(row[2]), lease)
      case 'loaded':
        return {
          kind: 'delivery',
          delivery: loadedDelivery(answer.value as unknown as LoadedRow, lease.id),
        }
      default:
        return { kind: 'idle', until: row[1]!.length === 0 ? undefined : Number(String(row[1])) }
    }
  }

  async #freshly(id: MessageId, n: number, lease: Lease): Promise<Taken> {
    const mail = this.#fresh.take(id)
    if (mail !== undefined) return { kind: 'delivery', delivery: freshDelivery(mail, n, lease.id) }
    const answer = await this.#caller.callBytes(this.#link.work, 'load', { id, n })
    return { kind: 'delivery', delivery: loadedDelivery(answer.value as LoadedRow, lease.id) }
  }

  async overdue(kind: 'expire' | 'warn' | 'refuse', count: number): Promise<Delivery[]> {
    this.#link.check()
    const answer = await this.#caller.callBytes(this.#link.work, 'overdue', { kind, count })
    this.#heard(answer)
    return (answer.value as LoadedRow[]).map((row) => loadedDelivery(row, undefined))
  }

  async suspend(
    lanes: readonly Destination[],
    site: string | undefined,
    until: number,
    reason: string,
  ): Promise<void> {
    const about = { until, reason, ...(site === undefined ? {} : { site }) }
    for (let at = 0; at < lanes.length; at += TOGETHER)
      await this.#call('suspend', { lanes: lanes.slice(at, at + TOGETHER).map(laneOf), ...about })
  }

  async *content(ref: ContentRef): AsyncGenerator<Uint8Array> {
    if (ref.bytes !== undefined) yield ref.bytes
    else yield* this.#store.read(ref)
  }

  async borrow(loans: readonly Loan[]): Promise<readonly number[]> {
    this.#link.check()
    const { value } = await this.#call('borrow', { loans })
    return value as number[]
  }

  async introduce(): Promise<void> {
    if (this.#link.down === undefined) await this.#beat.beat()
  }

  async steer(act: Act, filter: Filter, by: OperatorAct): Promise<Steered> {
    return this.#steered(
      act,
      JSON.stringify(filter),
      await this.#steering.steer(act, filter, by),
      by,
    )
  }

  async hold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    return this.#steered('hold', scopeName(scope), await this.#steering.hold(scope, by), by)
  }

  async unhold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    return this.#steered('release', scopeName(scope), await this.#steering.unhold(scope, by), by)
  }

  backup(): Promise<void> {
    return Promise.reject(new Error(BACKUP))
  }

  find(filter: Filter, page: { limit: number; cursor?: string }): Promise<Page> {
    return this.#reading.find(filter, page)
  }

  counts(by: GroupBy, ages?: readonly number[]): Promise<Count[]> {
    return this.#reading.counts(by, ages)
  }

  trace(id: MessageId): Promise<Trace | undefined> {
    return this.#reading.trace(id)
  }

  suspensions(): Promise<Suspension[]> {
    return this.#reading.suspensions()
  }

  holds(): Promise<StandingHold[]> {
    return this.#reading.holds()
  }

  processes(): Promise<ProcessEntry[]> {
    return this.#reading.processes()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await this.#chores?.stop()
    await this.#store.close?.()
    this.#beat.stop()
    this.#memory?.stop()
    this.#wakes.stop()
    if (this.#link.down === undefined) await this.#farewell()
    await this.#link[Symbol.asyncDispose]()
  }

  // What it still has in hand goes back at once; after a death it takes a lease's length.
  async #farewell(): Promise<void> {
    try {
      await this.#call('bury', { length: this.#length, leaving: true })
    } catch (error) {
      this.#note('warn', 'Cannot say farewell to the queue', error)
    }
  }

  async #arrive({ run }: ServerFacts): Promise<void> {
    const { work } = this.#link
    await this.#beat.beat()
    const { value } = await this.#caller.call(work, 'hello', { run, length: this.#length })
    this.#calmUntil = Number(value) > 0 ? this.#clock.now() + Number(value) : 0
    await this.#accepting.withdrawDoubtful()
  }

  #changed(change: LinkChange): void {
    switch (change.kind) {
      case 'away':
        return this.#note('error', 'Redis is away: no mail is taken until it is back', change.cause)
      case 'unsound':
        return this.#note('error', 'Redis is back and does not keep what it should', change.cause)
      case 'back':
        this.#note(
          'info',
          `Redis is back after ${(change.milliseconds / 1000).toFixed(1)} s; ${change.durability.says}`,
        )
        this.#wakes.afresh()
        return this.#wakes.wake()
    }
  }

  #steered(act: Act, what: string, steered: Steered, { who, why }: OperatorAct): Steered {
    this.#report({ kind: 'steered', at: this.#clock.now(), act, what, ...steered, who, why })
    return steered
  }

  #checkRoom(): void {
    this.#link.check()
    if (this.#memory?.isFull === true)
      throw new QueueError('full', 'Cannot accept: Redis uses more than 80 % of its maxmemory')
  }

  async #call(name: Parameters<Caller['call']>[1], given: object): Promise<Answer> {
    const answer = await this.#caller.call(this.#link.work, name, given)
    this.#heard(answer)
    return answer
  }

  #heard({ woken, told }: Answer): void {
    for (const text of told) this.#report(eventOf(String(text)))
    if (woken.length > 0) this.#wakes.heard(woken.map(String))
  }

  #failed(text: string): (error: unknown) => void {
    return (error) => {
      // That it is away has been told.
      if (this.#link.down === undefined) this.#note('warn', text, error)
    }
  }

  #note(level: 'info' | 'warn' | 'error', text: string, cause?: unknown): void {
    const why = cause === undefined ? {} : { cause: textOf(cause) }
    this.#report({ kind: 'note', at: this.#clock.now(), level, text, ...why })
  }
}

function textOf(cause: unknown): string {
  if (cause instanceof Error) return cause.message
  return typeof cause === 'string' ? cause : JSON.stringify(cause)
}

interface Notice {
  readonly mail: NewMail
  readonly row: AcceptRow
}
