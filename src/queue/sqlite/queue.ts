// The embedded queue, put together: the client on this thread keeps mail until its first attempt and writes
// large content; one thread writes the store, another reads.

import { chmod } from 'node:fs/promises'

import type { Clock } from '../../base/clock.ts'
import { makeFolder } from '../../base/folder.ts'
import type { Report } from '../../mail/event.ts'
import { checkEntries } from '../../store/store.ts'
import type { Store, StoreAnswer } from '../../store/store.ts'
import { FreshMail } from '../fresh.ts'
import { createIds } from '../ids.ts'
import type { About } from '../port/control.ts'
import type { Queue } from '../port/queue.ts'
import { QueueError } from '../port/types.ts'
import { Batches } from './client/batch.ts'
import { Chores } from './client/chores.ts'
import { Content } from './client/content.ts'
import { figures, SqliteControl, under } from './client/control.ts'
import { Disk, spaceOf } from './client/disk.ts'
import type { Space } from './client/disk.ts'
import { SqliteIntake } from './client/intake.ts'
import { SqliteOutflow } from './client/outflow.ts'
import { ReaderThread, startWriter } from './client/threads.ts'
import type { Writer } from './client/threads.ts'
import type { Answers } from './schema/wire.ts'
import { eventOf } from './write/echo.ts'

export interface SqliteOptions {
  readonly folder: string
  readonly clock: Clock
  /** How long a message is remembered after its end, in milliseconds; 7 days by default. */
  readonly historyAge?: number
  /** Bytes of history above which the oldest is forgotten sooner; 10 GB by default. */
  readonly historySize?: number | undefined
  /** Free bytes under which nothing new is accepted; by default the smaller of 1 GB and 5 %, and at least 64 MB. */
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
  return assemble(new Engine(options, { content, disk, writer, reader }))
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

function assemble(engine: Engine): Queue {
  const { intake, outflow, control, reader, state, clock } = engine
  const now = (): number => clock.now()
  return {
    newId: () => intake.newId(),
    refuses: () => intake.refuses(),
    store: (id, chunks) => intake.store(id, chunks),
    discard: (content) => intake.discard(content),
    accept: (mail, answered) => intake.accept(mail, answered),
    claim: (count) => outflow.claim(count),
    nextDue: () => outflow.nextDue(),
    onWake: (listener) => outflow.onWake(listener),
    full: (lanes, full) => outflow.full(lanes, full),
    renew: (leases) => outflow.renew(leases),
    release: (lease) => outflow.release(lease),
    take: (lease) => outflow.take(lease),
    settle: (delivery, settlement, next, answered) =>
      outflow.settle(delivery, settlement, next, answered),
    overdue: (kind, count) => outflow.overdue(kind, count),
    suspend: (lanes, site, until, reason, about) =>
      outflow.suspend(lanes, site, until, reason, about),
    content: (ref) => outflow.content(ref),
    steer: (act, filter, by) => control.steer(act, filter, by),
    hold: (scope, by) => control.hold(scope, by),
    unhold: (scope, by) => control.unhold(scope, by),
    keepContent: () => control.keepContent(),
    engine: () => control.engine(),
    processes: () => control.processes(),
    find: (filter, page) => reader.find(now(), filter, page.limit, page.cursor),
    counts: (by, ages) => reader.counts(now(), by, ages),
    trace: (id) => reader.trace(now(), id),
    changes: (since, count) => reader.changes(since, count),
    oldest: () => reader.oldest(),
    suspensions: () => reader.suspensions(now()),
    holds: () => reader.holds(),
    state,
    [Symbol.asyncDispose]: () => engine.close(),
  }
}

const nothing = (): void => {}
const NONE: never[] = []

/** What runs: batches for the writing thread, its alarm, and what is done beside the work. */
class Engine {
  readonly clock: Clock
  readonly intake: SqliteIntake
  readonly outflow: SqliteOutflow
  readonly control: SqliteControl
  readonly reader: ReaderThread
  readonly state: Store
  #report: Report
  #parts: Parts
  #batches: Batches
  #chores: Chores
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined
  #closing: Promise<void> | undefined

  constructor(options: SqliteOptions, parts: Parts) {
    const { folder, clock, about, report = nothing } = options
    const { writer, content, reader, disk } = parts
    const { opened, worker } = writer
    const had: number[] = []
    const fresh = new FreshMail<number>(options.memory ?? 64 * 1024 * 1024, (n) => had.push(n))
    const newNumber = createIds(() => clock.now(), opened.last)
    const gone = (): readonly number[] => (had.length === 0 ? NONE : had.splice(0))
    const answered = (answers: Answers, count: number): void => this.#answered(answers, count)
    const batches = new Batches({ worker, clock, gone, answered })
    const { historyAge = WEEK, historySize = 10 * GIGABYTE } = options
    const shared = { clock, report, batches, content, disk, reader, fresh }
    this.clock = clock
    this.reader = reader
    this.#report = report
    this.#parts = parts
    this.#batches = batches
    this.intake = new SqliteIntake({ ...shared, newNumber })
    this.outflow = new SqliteOutflow({ ...shared, intake: this.intake })
    const leases = (): number => this.outflow.leases
    this.control = new SqliteControl({ ...shared, folder, about, leases })
    this.state = stateOf(batches, reader, clock)
    this.#chores = new Chores({ ...shared, historyAge, historySize, opened })
    for (const row of opened.told) report(eventOf(row))
    worker.on('error', (cause) => this.#lost(cause))
    disk.spare = () => batches.call(['spare'], Number)
    disk.watch((isFull) => this.#crossed(isFull))
    // The alarm of what is due already, or will be.
    batches.call(['tick'], nothing).catch(nothing)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#chores.stop()
    await this.#batches.finish()
    this.#alarm?.cancel()
    await this.#parts.reader.close()
    await this.#parts.writer.close()
  }

  #crossed(isFull: boolean): void {
    const { disk } = this.#parts
    const level = isFull ? 'error' : 'info'
    const text = isFull ? under(disk) : `Mail is taken again: ${figures(disk)}`
    this.#report({ kind: 'note', at: this.clock.now(), level, text })
  }

  #answered({ wake, next, milliseconds, told }: Answers, operations: number): void {
    for (const row of told) this.#report(eventOf(row))
    this.#report({ kind: 'committed', at: this.clock.now(), milliseconds, operations })
    this.#setAlarm(next)
    if (wake) for (const listener of this.outflow.wakers) listener()
  }

  /** One alarm, for the next lane that falls due or lease that lapses: then the worker looks. */
  #setAlarm(at: number | null): void {
    if (this.#alarm !== undefined && this.#alarm.at === at) return
    this.#alarm?.cancel()
    this.#alarm = undefined
    if (at === null || this.#closing !== undefined) return
    const call = (): void => {
      this.#alarm = undefined
      this.#batches.call(['tick'], nothing).catch(() => this.#setAlarm(this.clock.now() + 1000))
    }
    this.#alarm = { at, cancel: this.clock.after(at - this.clock.now(), call) }
  }

  #lost(cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause)
    const at = this.clock.now()
    this.#report({ kind: 'note', at, level: 'error', text: 'The queue is lost', cause: text })
    this.#batches.fail(new QueueError('failing', 'The queue is lost', { cause }))
  }
}

function stateOf(batches: Batches, reader: ReaderThread, clock: Clock): Store {
  return {
    async apply(entries) {
      checkEntries(entries)
      return batches.call(['state', entries], (value) => value as StoreAnswer[])
    },
    scan: (prefix, { after, limit }) => reader.state(clock.now(), prefix, after, limit),
  }
}
