// Group commit, the client's side: what is asked while the worker is busy gathers and goes in one
// message as soon as it has answered; what one turn of the event loop asks shares a commit.

import type { Worker } from 'node:worker_threads'

import { steady } from '../../../base/clock.ts'
import type { Clock } from '../../../base/clock.ts'
import { QueueError } from '../../port/types.ts'
import type { Answers, Batch, Failure, FromWorker, MailRow, Operation } from '../schema/wire.ts'

/** Content that goes with an operation, and the row that will say where it is. */
export interface Parcel {
  readonly row: MailRow
  readonly bytes: Uint8Array
}

interface Call {
  readonly operation: Operation
  readonly parcels: readonly Parcel[]
  readonly answer: (value: unknown) => void
  readonly fail: (error: QueueError) => void
}

export interface BatchOptions {
  readonly worker: Worker
  readonly clock: Clock
  /** Mail that had to leave memory since it was last asked. */
  readonly gone: () => readonly number[]
  readonly answered: (answers: Answers, operations: number) => void
}

const NONE: readonly Parcel[] = []
/** No commit is larger: each waits for the one before it. */
const OPERATIONS = 2000
const BYTES = 16 * 1024 * 1024

export class Batches {
  #options: BatchOptions
  #waiting: Call[] = []
  #running: Call[] = []
  #scheduled = false
  #ended: QueueError | undefined
  #idle: (() => void)[] = []

  constructor(options: BatchOptions) {
    this.#options = options
    options.worker.on('message', (message: FromWorker) => {
      if (message.kind === 'answers') this.#answered(message)
    })
  }

  call<Value>(
    operation: Operation,
    read: (value: unknown) => Value | Promise<Value>,
    parcels: readonly Parcel[] = NONE,
  ): Promise<Value> {
    return new Promise((resolve, fail) => {
      if (this.#ended !== undefined) return fail(this.#ended)
      const answer = (value: unknown): void => {
        try {
          resolve(read(value))
        } catch (cause) {
          fail(new QueueError('failing', `Cannot read the answer to "${operation[0]}"`, { cause }))
        }
      }
      this.#waiting.push({ operation, parcels, answer, fail })
      this.#schedule()
    })
  }

  /** Nothing more is taken; resolves when all that was asked is answered. */
  async finish(): Promise<void> {
    this.#ended = new QueueError('closed', 'The queue is closed')
    while (this.#waiting.length > 0 || this.#running.length > 0)
      await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** The worker is gone: nothing will be answered any more. */
  fail(error: QueueError): void {
    this.#ended = error
    for (const { fail } of [...this.#running.splice(0), ...this.#waiting.splice(0)]) fail(error)
    this.#tellIdle()
  }

  #schedule(): void {
    if (this.#scheduled || this.#running.length > 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#post()
    })
  }

  #post(): void {
    if (this.#running.length > 0 || this.#waiting.length === 0) return
    const calls = this.#nextCalls()
    const content = pack(calls)
    this.#running = calls
    const batch: Batch = {
      kind: 'batch',
      now: this.#options.clock.now(),
      steady: steady(this.#options.clock),
      operations: calls.map(({ operation }) => operation),
      content,
      gone: this.#options.gone(),
    }
    this.#options.worker.postMessage(batch, [content.buffer])
  }

  #nextCalls(): Call[] {
    let bytes = 0
    let count = 0
    for (const { parcels } of this.#waiting) {
      for (const parcel of parcels) bytes += parcel.bytes.length
      if (count === OPERATIONS || (count > 0 && bytes > BYTES)) break
      count++
    }
    if (count < this.#waiting.length) return this.#waiting.splice(0, count)
    const all = this.#waiting
    this.#waiting = []
    return all
  }

  #answered(answers: Answers): void {
    const calls = this.#running
    this.#running = []
    for (const [index, { answer, fail }] of calls.entries()) {
      const failure = answers.failures[index]
      if (failure === undefined) answer(answers.results[index])
      else fail(errorOf(failure))
    }
    this.#options.answered(answers, calls.length)
    if (this.#waiting.length > 0) this.#schedule()
    else this.#tellIdle()
  }

  #tellIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** One buffer of its own for all content, which changes hands instead of being cloned. */
function pack(calls: readonly Call[]): Uint8Array<ArrayBuffer> {
  let total = 0
  for (const { parcels } of calls) for (const { bytes } of parcels) total += bytes.length
  const content = new Uint8Array(new ArrayBuffer(total))
  let offset = 0
  for (const { parcels } of calls)
    for (const { row, bytes } of parcels) {
      content.set(bytes, offset)
      row[9] = offset
      offset += bytes.length
    }
  return content
}

function errorOf({ error, text }: Failure): QueueError {
  if (error === 'used') return new QueueError('used', text)
  if (error === 'full') return new QueueError('full', `Cannot write the queue: ${text}`)
  return new QueueError('failing', `Cannot write the queue: ${text}`)
}
