// The queue in Redis, as the rest of the relay sees it: any number of processes share it. BullMQ keeps the
// lanes; the record of each message, and what no job store knows of, is ours (see lua/). Every step is
// atomic, and shares its round trip with others.

import type { Clock } from '../../base/clock.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Report } from '../../mail/event.ts'
import { steeredEvent } from '../events.ts'
import { describeFilter } from '../fits.ts'
import { FreshMail } from '../fresh.ts'
import { formatScope } from '../holds.ts'
import type { About, EngineStatus, ProcessEntry, Steered } from '../port/control.ts'
import type { Changes, Since } from '../port/history.ts'
import type { Answered, Store } from '../../store/store.ts'
import type { NewMail } from '../port/intake.ts'
import type { Delivery, Lease, Loan, Settlement, Taken, TroubleFacts } from '../port/outflow.ts'
import type { Queue } from '../port/queue.ts'
import type {
  Count,
  Filter,
  GroupBy,
  Oldest,
  Page,
  StandingHold,
  Suspension,
  Trace,
} from '../port/reader.ts'
import { QueueError } from '../port/types.ts'
import type { Act, ContentRef, MessageId, OperatorAct } from '../port/types.ts'
import type { RedisAddress } from './link/address.ts'
import { Arriving } from './write/arriving.ts'
import { Caller } from './calls/caller.ts'
import type { Answer } from './calls/caller.ts'
import { Chores } from './write/chores.ts'
import { Claiming, TOGETHER } from './write/claiming.ts'
import { RedisContent, storeContent } from './content/content.ts'
import type { Chunks, ContentStore, StoreWorld } from './content/content.ts'
import type { DurabilityWish, ServerFacts } from './link/durability.ts'
import { eventOf } from './read/echo.ts'
import { Handing } from './write/handing.ts'
import { laneOf, prefixOf } from './link/keys.ts'
import { Lanes } from './write/lanes.ts'
import { Link } from './link/link.ts'
import type { LinkChange } from './link/link.ts'
import { Beat, newProcessId, tagOf } from './calls/process.ts'
import { RedisState } from './read/state.ts'
import { Reading } from './read/reading.ts'
import { statusOf } from './read/status.ts'
import { Steering } from './write/steering.ts'
import { createServerTime } from './link/time.ts'
import type { LeaseTime } from './link/time.ts'
import { Watch } from './link/watch.ts'
import * as words from './words.ts'

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
  readonly state: Store
  #options: BullmqOptions
  #clock: Clock
  #report: Report
  #length: number
  #link: Link
  #caller: Caller
  #beat: Beat
  #arriving: Arriving
  #handing: Handing
  #store: ContentStore
  #reading: Reading
  #steering: Steering
  #claiming: Claiming
  #watch: Watch | undefined
  #chores: Chores | undefined
  #closing: Promise<void> | undefined

  constructor(options: BullmqOptions) {
    const { address, clock, wish, about } = options
    const prefix = prefixOf(options.prefix ?? 'waypost')
    const time = options.time ?? createServerTime(clock)
    const me = newProcessId()
    const length = options.leaseMilliseconds ?? LEASE
    const report = options.report ?? nothing
    const heard = (answer: Answer): void => this.#heard(answer)
    const link = new Link({
      address,
      wish,
      clock,
      name: about().name,
      arrive: (facts) => this.#arrive(facts),
      tell: (change) => this.#changed(change),
    })
    const caller = new Caller({ prefix, me, clock, time })
    const note: StoreWorld['note'] = (...words) => this.#note(...words)
    const failed = (error: unknown): void => this.#failed(error)
    const world = { link, caller, clock, note, failed }
    const store = options.store?.(world) ?? new RedisContent(link, prefix, me)
    const lanes = new Lanes(prefix)
    const fresh = new FreshMail<MessageId>(options.memory ?? 64 * 1024 * 1024)
    const shared = { link, caller, lanes, fresh, clock, time, length, report, heard, failed }
    const leases = (): number => this.#handing.leases
    const newId = (): MessageId => this.newId()
    const reading = new Reading(link.reading, prefix, clock, time)
    const now = (): number => clock.now()
    this.#options = options
    this.#clock = clock
    this.#report = report
    this.#length = length
    this.#link = link
    this.#caller = caller
    this.#store = store
    this.#reading = reading
    this.state = new RedisState(link.work, link.reading, caller, clock)
    this.#beat = new Beat(
      {
        ...shared,
        about,
        leases,
        emptied: () => this.#note('error', words.emptied(this.#store.at)),
      },
      tagOf(me),
    )
    this.#steering = new Steering({ redis: link.work, caller, reading, heard, now })
    this.#claiming = new Claiming(shared)
    this.#arriving = new Arriving({ ...shared, store, newId })
    this.#handing = new Handing({ ...shared, arriving: this.#arriving })
  }

  async open(): Promise<void> {
    const { historyAge = WEEK, historySize = GIGABYTE } = this.#options
    const [link, caller, clock] = [this.#link, this.#caller, this.#clock]
    await link.open()
    await this.#claiming.wakes.listen(link.hearing, `${caller.prefix}/wake`, caller.me)
    const failed = (error: unknown): void => this.#failed(error)
    const watch = (this.#watch = new Watch(link, this.#options.wish, clock, (full) =>
      this.#crossed(full),
    ))
    this.#beat.start(this.#length / 6, failed)
    this.#chores = new Chores({
      link,
      caller,
      clock,
      watch,
      historyAge,
      historySize,
      store: this.#store,
      steering: this.#steering,
      length: this.#length,
      heard: (answer) => this.#heard(answer),
      failed,
    })
  }

  newId(): MessageId {
    return this.#beat.newId()
  }

  refuses(): 'full' | 'away' | undefined {
    const trouble = this.#link.down ?? this.#watch?.lack ?? this.#store.trouble
    if (trouble !== undefined) return 'away'
    return this.#watch?.isFull === true ? 'full' : undefined
  }

  async engine(): Promise<EngineStatus> {
    const { address } = this.#options
    return statusOf(address, this.#link, this.#watch, this.#store, this.#claiming.recoveryLeft)
  }

  async store(id: MessageId, chunks: Chunks): Promise<ContentRef> {
    this.#checkRoom()
    return storeContent(this.#store, id, chunks)
  }

  async discard({ key, bytes }: ContentRef): Promise<void> {
    if (bytes === undefined) await this.#store.remove(key as MessageId)
  }

  async accept(mail: NewMail, answered?: Answered): Promise<MessageId> {
    this.#checkRoom()
    return this.#arriving.accept(mail, answered)
  }

  async claim(count: number): Promise<Lease[]> {
    this.#link.check()
    const leases = await this.#claiming.claim(count)
    for (const lease of leases) this.#handing.begin(lease)
    return leases
  }

  nextDue(): Promise<number | undefined> {
    return this.#claiming.nextDue()
  }

  onWake(listener: () => void): void {
    this.#claiming.wakes.listeners.push(listener)
  }

  full(lanes: readonly Destination[], full: boolean): void {
    this.#claiming.full(lanes, full)
  }

  renew(leases: readonly Lease[]): Promise<void> {
    return this.#claiming.renew(leases)
  }

  async release(lease: Lease): Promise<void> {
    this.#handing.end(lease)
    await this.#call('release', { lease: lease.id })
  }

  take(lease: Lease): Promise<Taken> {
    return this.#handing.take(lease)
  }

  settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
    answered?: Answered,
  ): Promise<Taken | undefined> {
    return this.#handing.settle(delivery, settlement, next, answered)
  }

  overdue(kind: 'expire' | 'warn' | 'refuse', count: number): Promise<Delivery[]> {
    return this.#handing.overdue(kind, count)
  }

  async suspend(
    lanes: readonly Destination[],
    site: string | undefined,
    until: number,
    reason: string,
    { cause = 'other', since = this.#clock.now() }: TroubleFacts = {},
  ): Promise<void> {
    const stop = { until, reason, since, cause, ...(site === undefined ? {} : { site }) }
    for (let at = 0; at < lanes.length; at += TOGETHER)
      await this.#call('suspend', { lanes: lanes.slice(at, at + TOGETHER).map(laneOf), stop })
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
      describeFilter(filter),
      await this.#steering.steer(act, filter, by),
      by,
    )
  }

  async hold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    return this.#steered('hold', formatScope(scope), await this.#steering.hold(scope, by), by)
  }

  async unhold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    return this.#steered('release', formatScope(scope), await this.#steering.unhold(scope, by), by)
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

  changes(since: Since, count: number): Promise<Changes> {
    return this.#reading.changes(since, count)
  }

  oldest(): Promise<Oldest[]> {
    return this.#reading.oldest()
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
    this.#watch?.stop()
    this.#claiming.wakes.stop()
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
    this.#claiming.pauseFor(Number(value))
    if (Number(value) > 0) this.#note('info', words.recovers(Number(value)))
    await this.#claiming.tellAgain()
    await this.#handing.giveBackLost()
    await this.#arriving.withdrawDoubtful()
  }

  #changed(change: LinkChange): void {
    switch (change.kind) {
      case 'away':
        return this.#note('error', 'Redis is away: no mail is taken until it is back', change.cause)
      case 'unsound':
        return this.#note('error', 'Redis is back and does not keep what it should', change.cause)
      case 'back':
        this.#note('info', words.isBack(change.milliseconds, change.durability.says))
        this.#claiming.wakes.afresh()
        return this.#claiming.wakes.wake()
    }
  }

  #steered(act: Act, what: string, steered: Steered, by: OperatorAct): Steered {
    this.#report(steeredEvent(this.#clock.now(), act, what, steered, by))
    return steered
  }

  #checkRoom(): void {
    this.#link.check()
    if (this.#watch?.isFull === true)
      throw new QueueError('full', 'Cannot accept: Redis uses more than 80 % of its maxmemory')
    if (this.#watch?.lack !== undefined) throw new QueueError('failing', this.#watch.lack)
  }

  async #call(name: Parameters<Caller['call']>[1], given: object): Promise<Answer> {
    const answer = await this.#caller.call(this.#link.work, name, given)
    this.#heard(answer)
    return answer
  }

  #heard({ woken, told }: Answer): void {
    for (const text of told) this.#report(eventOf(String(text)))
    if (woken.length > 0) this.#claiming.wakes.heard(woken.map(String))
  }

  #crossed(isFull: boolean): void {
    const { usedMemory, maxMemory } = this.#link.facts
    const [used, most] = [this.#watch?.used ?? usedMemory, this.#watch?.most ?? maxMemory]
    this.#note(isFull ? 'error' : 'info', words.crossed(isFull, used, most))
  }

  // That Redis is away has been told.
  #failed(error: unknown): void {
    if (this.#link.down === undefined)
      this.#note('warn', 'Work beside the mail failed and is tried again', error)
  }

  #note(level: 'info' | 'warn' | 'error', text: string, cause?: unknown): void {
    const why = cause === undefined ? {} : { cause: words.causeOf(cause) }
    this.#report({ kind: 'note', at: this.#clock.now(), level, text, ...why })
  }
}
