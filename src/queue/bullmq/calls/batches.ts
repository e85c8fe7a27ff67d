// Group commit over one connection: what is asked while a call of Redis is on its way goes together in the
// next one, so that many steps share its round trip and its sync.

import { setImmediate } from 'node:timers/promises'

import type { Redis } from 'ioredis'

import type { Clock } from '../../../base/clock.ts'
import type { Report } from '../../../mail/event.ts'
import { QueueError } from '../../port/types.ts'
import type { Answer, Caller, Entry } from './caller.ts'
import { queueError } from '../link/link.ts'
import type { Link } from '../link/link.ts'

export interface BatchOptions {
  readonly link: Link
  readonly redis: Redis
  readonly caller: Caller
  readonly heard: (answer: Answer) => void
  /** Sent right behind a call; it must have gone well too before anybody hears of success. */
  readonly confirm?: () => Promise<void>
  readonly clock: Clock
  readonly report: Report
}

/** What belongs together: jobs that BullMQ moves, then what our functions make of it. */
export type Step = readonly Entry[]

interface Waiting {
  readonly step: Step
  readonly resolve: (values: readonly unknown[]) => void
  readonly reject: (error: QueueError) => void
}

/** Entries of one call, if not more of a single step: nobody else is served meanwhile, some 5 ms. */
const TOGETHER = 100

export class Batches {
  #options: BatchOptions
  #waiting: Waiting[] = []
  #running = false
  #scheduled = false

  constructor(options: BatchOptions) {
    this.#options = options
  }

  /** Resolves with what our functions answer; rejects with a `QueueError`. */
  call(step: Step): Promise<readonly unknown[]> {
    this.#options.link.check()
    return new Promise((resolve, reject) => this.#add({ step, resolve, reject }))
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting)
    if (this.#scheduled || this.#running) return
    this.#scheduled = true
    void setImmediate().then(() => {
      this.#scheduled = false
      return this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.length > 0) {
      await this.#batch(this.#waiting.splice(0, this.#fitting()))
      // Whoever was answered may ask the next at once.
      await setImmediate()
    }
    this.#running = false
  }

  /** How many of those that wait go together. */
  #fitting(): number {
    let entries = 0
    const over = this.#waiting.findIndex(({ step }) => (entries += step.length) > TOGETHER)
    return over === -1 ? this.#waiting.length : Math.max(1, over)
  }

  async #batch(batch: readonly Waiting[]): Promise<void> {
    const { link, redis, caller, heard, confirm, clock, report } = this.#options
    const started = performance.now()
    try {
      link.check()
      const entries = batch.flatMap(({ step }) => step)
      const answer = await caller.steps(redis, entries, confirm)
      const milliseconds = performance.now() - started
      report({ kind: 'committed', at: clock.now(), milliseconds, operations: batch.length })
      heard(answer)
      let from = 0
      for (const waiting of batch)
        settle(waiting, answer.value.slice(from, (from += waiting.step.length)))
    } catch (error) {
      for (const { reject } of batch) reject(queueError(error))
    }
  }
}

function settle({ step, resolve, reject }: Waiting, values: readonly unknown[]): void {
  const failed = values.find((value) => value instanceof QueueError)
  if (failed !== undefined) reject(failed)
  else resolve(values.filter((_, at) => 'given' in step[at]!))
}
