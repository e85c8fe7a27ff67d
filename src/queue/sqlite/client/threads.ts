// Starts the two threads and speaks with them.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

import { besideCode } from '../../../base/package.ts'
import type { Changes, Since } from '../../port/history.ts'
import type {
  Count,
  Filter,
  GroupBy,
  Oldest,
  Page,
  StandingHold,
  Suspension,
  Trace,
} from '../../port/reader.ts'
import type { StoreRow } from '../../../store/store.ts'
import { QueueError } from '../../port/types.ts'
import type { StoreOptions } from '../write/store.ts'
import type { FromReader, FromWorker, Opened, ToReader } from '../schema/wire.ts'

export interface Writer {
  readonly worker: Worker
  readonly opened: Opened
  /** Resolves when the store is closed. */
  close(): Promise<void>
}

/** Rejects with the reason when the store cannot be opened. */
export async function startWriter(options: StoreOptions): Promise<Writer> {
  const worker = new Worker(besideCode('queue/sqlite/write/worker.ts', 'worker.cjs'), {
    workerData: options,
  })
  const [first] = (await once(worker, 'message')) as [FromWorker]
  if (first.kind !== 'opened')
    throw new Error(first.kind === 'refused' ? first.text : 'The queue did not open')
  const close = async (): Promise<void> => {
    const exited = once(worker, 'exit')
    worker.postMessage('close')
    await exited
  }
  return { worker, opened: first, close }
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

type Unnumbered<Asked> = Asked extends readonly [number, ...infer Rest] ? Rest : never

/** The reading thread; it begins with the first question. */
export class ReaderThread {
  #folder: string
  #worker: Worker | undefined
  #waiting = new Map<number, Waiting>()
  #last = 0
  #closed = false

  constructor(folder: string) {
    this.#folder = folder
  }

  find(now: number, filter: Filter, limit: number, cursor: string | undefined): Promise<Page> {
    return this.#ask<Page>(['find', now, filter, limit, cursor])
  }

  counts(now: number, by: GroupBy, ages: readonly number[] | undefined): Promise<Count[]> {
    return this.#ask<Count[]>(['counts', now, by, ages])
  }

  trace(now: number, id: string): Promise<Trace | undefined> {
    return this.#ask<Trace | undefined>(['trace', now, id])
  }

  changes(since: Since, count: number): Promise<Changes> {
    return this.#ask<Changes>(['changes', since, count])
  }

  suspensions(now: number): Promise<Suspension[]> {
    return this.#ask<Suspension[]>(['suspensions', now])
  }

  oldest(): Promise<Oldest[]> {
    return this.#ask<Oldest[]>(['oldest'])
  }

  holds(): Promise<StandingHold[]> {
    return this.#ask<StandingHold[]>(['holds'])
  }

  bytes(id: string): Promise<Uint8Array | undefined> {
    return this.#ask<Uint8Array | undefined>(['bytes', id])
  }

  state(
    now: number,
    prefix: string,
    after: string | undefined,
    limit: number,
  ): Promise<StoreRow[]> {
    return this.#ask<StoreRow[]>(['state', now, prefix, after, limit])
  }

  sizes(): Promise<{ readonly used: number; readonly live: number }> {
    return this.#ask(['history'])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#worker === undefined) return
    const exited = once(this.#worker, 'exit')
    this.#worker.postMessage([0, 'close'] satisfies ToReader)
    await exited
  }

  #ask<Value>(asked: Unnumbered<ToReader>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new QueueError('closed', 'The queue is closed'))
      const call = ++this.#last
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject })
      this.#worker ??= this.#start()
      this.#worker.postMessage([call, ...asked])
    })
  }

  #start(): Worker {
    const file = besideCode('queue/sqlite/read/reader-thread.ts', 'reader-thread.cjs')
    const worker = new Worker(file, { workerData: { folder: this.#folder } })
    worker.on('message', (answer: FromReader) => this.#answered(answer))
    worker.on('error', (error) => this.#failAll(error))
    worker.on('exit', () => this.#failAll(new QueueError('closed', 'The queue is closed')))
    return worker
  }

  #answered({ call, value, error }: FromReader): void {
    const waiting = this.#waiting.get(call)
    this.#waiting.delete(call)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(new Error(error))
  }

  /** The next question starts another. */
  #failAll(error: Error): void {
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
