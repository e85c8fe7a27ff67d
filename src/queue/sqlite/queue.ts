// The embedded queue, as the rest of the relay sees it. The client on this thread keeps mail
// until its first attempt and writes large content; one thread writes the store, another reads.

import { chmod } from 'node:fs/promises'
import { hostname } from 'node:os'

import type { Clock } from '../../base/clock.ts'
import { makeFolder } from '../../base/folder.ts'
import { formatSize } from '../../base/units.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Report } from '../../mail/event.ts'
import { acceptedEvent, steeredEvent } from '../events.ts'
import { describeFilter } from '../fits.ts'
import { FreshMail } from '../fresh.ts'
import { createIds, formatId, parseId } from '../ids.ts'
import type { About, EngineStatus, ProcessEntry, Steered } from '../port/control.ts'
import type { Changes, Since } from '../port/history.ts'
import { checkEntries } from '../../store/store.ts'
import type { Answered, Store, StoreAnswer } from '../../store/store.ts'
import type { NewMail } from '../port/intake.ts'
import type { Delivery, Lease, Settlement, Taken, TroubleFacts } from '../port/outflow.ts'
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
import { formatScope, Tally } from '../holds.ts'
import { freshDelivery } from '../settled.ts'
import { Batches } from './client/batch.ts'
import type { Parcel } from './client/batch.ts'
import { Chores } from './client/chores.ts'
import { Content } from './client/content.ts'
import { Disk, spaceOf } from './client/disk.ts'
import type { Space } from './client/disk.ts'
import { eventOf } from './write/echo.ts'
import { loadedDelivery, mailRow, settleRow } from './client/rows.ts'
import { ReaderThread, startWriter } from './client/threads.ts'
import type { Writer } from './client/threads.ts'
import type {
  AcceptedRow,
  Answers,
  LeaseRow,
  LoadedRow,
  PageDone,
  SettledRow,
  TakenRow,
} from './schema/wire.ts'

export interface SqliteOptions {
  readonly folder: string
  readonly clock: Clock
  /** How long a message is remembered after its end, in milliseconds; 7 days by default. */
  readonly historyAge?: number
  /** Bytes of history above which the oldest is forgotten sooner; 10 GB by default. */
  readonly historySize?: number | undefined
  /** Free bytes under which nothing new is accepted; by default the smaller of 1 GB and 5 %. */
  readonly diskReserve?: number | undefined
  readonly report?: Report
  readonly about?: () => About
  /** How long a lease lasts that nobody renews; 60 seconds by default. */
  readonly leaseMilliseconds?: number
  /** Bytes of mail kept in memory between acceptance and first attempt. */
  readonly memory?: number
  readonly space?: () => Promise<Space>
}

const WEEK = 7 * 24 * 3_600_000
const GIGABYTE = 1024 ** 3

/** Opens the data folder, which is then this relay's alone until the queue is disposed of. */
export async function openSqliteQueue(options: SqliteOptions): Promise<Queue> {
  const { folder, clock, diskReserve } = options
  await prepareFolder(folder)
  const content = new Content(folder)
  await content.prepare()
  const ask = options.space ?? (() => spaceOf(folder))
  const disk = new Disk(clock, await ask(), diskReserve, ask)
  const writer = await startWriter({
    folder,
    now: clock.now(),
    leaseMilliseconds: options.leaseMilliseconds ?? 60_000,
  })
  const reader = new ReaderThread(folder)
  return new SqliteQueue(options, { content, disk, writer, reader })
}

async function prepareFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder)
    await chmod(folder, 0o700)
  } catch (cause) {
    const { message } = cause as Error
    throw new Error(`Cannot use the data folder "${folder}": ${message}`, { cause })
  }
}

interface Parts {
  readonly content: Content
  readonly disk: Disk
  readonly writer: Writer
  readonly reader: ReaderThread
}

const nothing = (): void => {}
const NOBODY: About = { name: '', hostname: '', roles: [], sources: [], listeners: [] }

class SqliteQueue implements Queue {
  #options: SqliteOptions
  #startedAt: number
  readonly state: Store = {
    apply: async (entries) => {
      checkEntries(entries)
      return this.#batches.call(['state', entries], (value) => value as StoreAnswer[])
    },
    scan: (prefix, { after, limit }) =>
      this.#parts.reader.state(this.#clock.now(), prefix, after, limit),
  }
  #leases = 0
  #keepers = 0
  #clock: Clock
  #report: Report
  #parts: Parts
  #batches: Batches
  #fresh: FreshMail<number>
  #chores: Chores
  #newNumber: () => number
  #wakers: (() => void)[] = []
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined
  #closing: Promise<void> | undefined

  constructor(options: SqliteOptions, parts: Parts) {
    const { clock } = options
    const { writer, content, reader } = parts
    const { opened, worker } = writer
    this.#options = options
    this.#startedAt = clock.now()
    this.#clock = clock
    this.#report = options.report ?? nothing
    this.#parts = parts
    const had: number[] = []
    this.#fresh = new FreshMail(options.memory ?? 64 * 1024 * 1024, (number) => had.push(number))
    this.#newNumber = createIds(() => clock.now(), opened.last)
    const gone = (): readonly number[] => (had.length === 0 ? NONE : had.splice(0))
    const answered = (answers: Answers, count: number): void => this.#answered(answers, count)
    this.#batches = new Batches({ worker, clock, gone, answered })
    const { historyAge = WEEK, historySize = 10 * GIGABYTE } = options
    const batches = this.#batches
    const report = this.#report
    this.#chores = new Chores({
      clock,
      historyAge,
      historySize,
      report,
      batches,
      content,
      reader,
      opened,
      disk: parts.disk,
    })
    for (const row of opened.told) report(eventOf(row))
    worker.on('error', (cause) => this.#lost(cause))
    parts.disk.spare = () => this.#batches.call(['spare'], Number)
    parts.disk.watch((isFull) => this.#crossed(isFull))
    // The alarm of what is due already, or will be.
    this.#batches.call(['tick'], nothing).catch(nothing)
  }

  newId(): MessageId {
    return formatId(this.#newNumber())
  }

  async store(id: MessageId, chunks: AsyncIterable<Uint8Array> | Uint8Array): Promise<ContentRef> {
    this.#checkSpace()
    const ref = await this.#parts.content.store(id, chunks)
    // Small content is written twice: to the log, and from there to the database.
    this.#parts.disk.took(ref.bytes === undefined ? ref.size : 2 * ref.size)
    return ref
  }

  discard(content: ContentRef): Promise<void> {
    return this.#parts.content.discard(content)
  }

  async accept(mail: NewMail, answered?: Answered): Promise<MessageId> {
    this.#checkSpace()
    const row = mailRow(mail, this.#newNumber)
    const [number, alias] = row
    this.#keep(mail)
    try {
      const parcels = parcelsOf([mail], [row])
      const done = await this.#batches.call(['accept', row], readAccepted, parcels)
      if (done[1] !== null) answered?.(done[1])
      return formatId(done[0])
    } catch (error) {
      if (alias === null) this.#fresh.drop(number)
      throw error
    } finally {
      this.#parts.content.accepted(mail.content)
    }
  }

  claim(count: number): Promise<Lease[]> {
    return this.#batches.call(['claim', count], (value) => {
      const rows = value as LeaseRow[]
      this.#leases += rows.length
      return rows.map(([id, lane, priority, until]) => {
        return { id, lane: lane as Destination, priority, until }
      })
    })
  }

  full(lanes: readonly Destination[], full: boolean): void {
    this.#batches.call(['full', lanes, full], nothing).catch(nothing)
  }

  nextDue(): Promise<number | undefined> {
    return this.#batches.call(['nextDue'], (value) => (value as number | null) ?? undefined)
  }

  onWake(listener: () => void): void {
    this.#wakers.push(listener)
  }

  renew(leases: readonly Lease[]): Promise<void> {
    const ids = leases.map(({ id }) => id)
    return this.#batches.call(['renew', ids], nothing)
  }

  release(lease: Lease): Promise<void> {
    this.#leases--
    return this.#batches.call(['release', lease.id], nothing)
  }

  take(lease: Lease): Promise<Taken> {
    return this.#batches.call(['take', lease.id], (value) => this.#taken(value as TakenRow, lease))
  }

  settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
    answered?: Answered,
  ): Promise<Taken | undefined> {
    const notices = settlement.notices ?? []
    const rows = notices.map((notice) => mailRow(notice, this.#newNumber))
    for (const notice of notices) this.#keep(notice)
    const row = settleRow(delivery, settlement, rows, next?.id ?? null)
    return this.#batches.call(
      ['settle', row],
      (value) => {
        for (const [index, notice] of notices.entries()) this.#written(notice, rows[index]![0])
        const [taken, answers] = value as SettledRow
        if (answers !== null) answered?.(answers)
        return next === undefined ? undefined : this.#taken(taken!, next)
      },
      parcelsOf(notices, rows),
    )
  }

  #keep(mail: NewMail): void {
    const number = parseId(mail.id)
    if (number !== undefined) this.#fresh.keep(number, mail)
  }

  // A client's message is told by the listener; nobody else sees what the relay writes itself.
  #written(mail: NewMail, number: number): void {
    this.#parts.content.accepted(mail.content)
    this.#report(acceptedEvent(mail, formatId(number)))
  }

  overdue(kind: 'expire' | 'warn' | 'refuse', count: number): Promise<Delivery[]> {
    return this.#batches.call(['overdue', kind, count], (value) =>
      (value as LoadedRow[]).map(loadedDelivery),
    )
  }

  suspend(
    lanes: readonly Destination[],
    site: string | undefined,
    until: number,
    reason: string,
    about: TroubleFacts = {},
  ): Promise<void> {
    return this.#batches.call(['suspend', lanes, site ?? null, until, reason, about], nothing)
  }

  async *content({ key, bytes }: ContentRef): AsyncGenerator<Uint8Array> {
    const small = bytes ?? (await this.#parts.reader.bytes(key))
    if (small !== undefined) yield small
    else yield* this.#parts.content.read(key)
  }

  async steer(act: Act, filter: Filter, by: OperatorAct): Promise<Steered> {
    const steered = await this.#pages((cursor) => ['steer', act, filter, by, cursor])
    return this.#steered(act, describeFilter(filter), steered, by)
  }

  async hold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    const name = formatScope(scope)
    await this.#batches.call(['hold', name, by], nothing)
    const steered = await this.#pages((cursor) => ['mark', name, cursor])
    return this.#steered('hold', name, steered, by)
  }

  async unhold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    const name = formatScope(scope)
    await this.#batches.call(['unhold', name], nothing)
    const steered = await this.#pages(() => ['unmark', name, by])
    return this.#steered('release', name, steered, by)
  }

  async keepContent(): Promise<AsyncDisposable> {
    this.#keepers++
    await this.#batches.call(['keep', true], nothing)
    let kept = true
    return {
      [Symbol.asyncDispose]: async () => {
        if (!kept) return
        kept = false
        if (--this.#keepers === 0) await this.#batches.call(['keep', false], nothing)
      },
    }
  }

  find(filter: Filter, page: { limit: number; cursor?: string }): Promise<Page> {
    return this.#parts.reader.find(this.#clock.now(), filter, page.limit, page.cursor)
  }

  counts(by: GroupBy, ages?: readonly number[]): Promise<Count[]> {
    return this.#parts.reader.counts(this.#clock.now(), by, ages)
  }

  trace(id: MessageId): Promise<Trace | undefined> {
    return this.#parts.reader.trace(this.#clock.now(), id)
  }

  changes(since: Since, count: number): Promise<Changes> {
    return this.#parts.reader.changes(since, count)
  }

  oldest(): Promise<Oldest[]> {
    return this.#parts.reader.oldest()
  }

  suspensions(): Promise<Suspension[]> {
    return this.#parts.reader.suspensions(this.#clock.now())
  }

  holds(): Promise<StandingHold[]> {
    return this.#parts.reader.holds()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#chores.stop()
    await this.#batches.finish()
    this.#alarm?.cancel()
    await this.#parts.reader.close()
    await this.#parts.writer.close()
  }

  refuses(): 'full' | undefined {
    return this.#parts.disk.isFull ? 'full' : undefined
  }

  async engine(): Promise<EngineStatus> {
    const { disk } = this.#parts
    await disk.known()
    return {
      engine: 'sqlite',
      at: this.#options.folder,
      durability: 'every message is synced to disk before its 250',
      isRelaxed: false,
      disk: { free: disk.free, reserve: disk.reserve },
      ...(this.refuses() === undefined ? {} : { trouble: under(disk) }),
    }
  }

  async processes(): Promise<ProcessEntry[]> {
    const { about, clock } = this.#options
    const mine = {
      id: 'this',
      host: hostname(),
      pid: process.pid,
      leases: this.#leases,
      isDead: false,
    }
    return [{ ...(about?.() ?? NOBODY), ...mine, startedAt: this.#startedAt, seenAt: clock.now() }]
  }

  #steered(act: Act, what: string, steered: Steered, by: OperatorAct): Steered {
    this.#report(steeredEvent(this.#clock.now(), act, what, steered, by))
    return steered
  }

  #crossed(isFull: boolean): void {
    const { disk } = this.#parts
    const level = isFull ? 'error' : 'info'
    const text = isFull ? under(disk) : `Mail is taken again: ${figures(disk)}`
    this.#report({ kind: 'note', at: this.#clock.now(), level, text })
  }

  #checkSpace(): void {
    if (this.refuses() !== undefined)
      throw new QueueError('full', 'Cannot accept: free disk space is under the reserve')
  }

  async #pages(
    operation: (cursor: string | null) => Parameters<Batches['call']>[0],
  ): Promise<Steered> {
    const tally = new Tally()
    let cursor: string | null = null
    do {
      const page: PageDone = await this.#batches.call(operation(cursor), readPage)
      tally.add(page.count, page.busy, page.kept)
      cursor = page.cursor
    } while (cursor !== null)
    return tally.steered
  }

  #taken(row: TakenRow, { id: lease }: Lease): Taken | Promise<Taken> {
    switch (row[0]) {
      case 'idle':
        return { kind: 'idle', until: row[1] ?? undefined }
      case 'loaded':
        return { kind: 'delivery', delivery: { ...loadedDelivery(row[1]), lease } }
      case 'fresh':
        return this.#freshly(row[1], row[2], lease)
    }
  }

  #freshly(message: number, n: number, lease: string): Taken | Promise<Taken> {
    const mail = this.#fresh.take(message)
    if (mail !== undefined) return { kind: 'delivery', delivery: freshDelivery(mail, n, lease) }
    return this.#batches.call(['load', message, n], (value) => {
      return { kind: 'delivery', delivery: { ...loadedDelivery(value as LoadedRow), lease } }
    })
  }

  #answered({ wake, next, milliseconds, told }: Answers, operations: number): void {
    for (const row of told) this.#report(eventOf(row))
    this.#report({ kind: 'committed', at: this.#clock.now(), milliseconds, operations })
    this.#setAlarm(next)
    if (wake) for (const listener of this.#wakers) listener()
  }

  /** One alarm, for the next lane that falls due or lease that lapses: then the worker looks. */
  #setAlarm(at: number | null): void {
    if (this.#alarm !== undefined && this.#alarm.at === at) return
    this.#alarm?.cancel()
    this.#alarm = undefined
    if (at === null || this.#closing !== undefined) return
    const call = (): void => {
      this.#alarm = undefined
      this.#batches.call(['tick'], nothing).catch(() => this.#setAlarm(this.#clock.now() + 1000))
    }
    this.#alarm = { at, cancel: this.#clock.after(at - this.#clock.now(), call) }
  }

  #lost(cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause)
    const at = this.#clock.now()
    this.#report({ kind: 'note', at, level: 'error', text: 'The queue is lost', cause: text })
    this.#batches.fail(new QueueError('failing', 'The queue is lost', { cause }))
  }
}

function readAccepted(value: unknown): AcceptedRow {
  return value as AcceptedRow
}

function readPage(value: unknown): PageDone {
  return value as PageDone
}

function parcelsOf(mails: readonly NewMail[], rows: readonly ReturnType<typeof mailRow>[]) {
  const parcels: Parcel[] = []
  for (const [index, { content }] of mails.entries())
    if (content.bytes !== undefined) parcels.push({ row: rows[index]!, bytes: content.bytes })
  return parcels
}

const NONE: never[] = []

function under(disk: Disk): string {
  return `Free space is under WAYPOST_DISK_RESERVE: no mail is taken; ${figures(disk)}`
}

function figures({ free, reserve }: Disk): string {
  return `${formatSize(Math.max(0, free))} free, and ${formatSize(reserve)} should be`
}
