// Group commit over one connection: what is asked while a transaction is on its way goes together in the
// next one, so that many steps share its round trip and its sync.

import { setImmediate } from 'node:timers/promises'

import type { IRedisTransaction } from 'bullmq'
import type { Redis } from 'ioredis'

import type { Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import { QueueError } from '../port.ts'
import { isForgotten } from './caller.ts'
import { beginTransaction } from './lanes.ts'
import { queueError } from './link.ts'
import { loadLibrary } from './library.ts'
import type { Link } from './link.ts'

export interface BatchOptions {
  readonly link: Link
  readonly redis: Redis
  /** Sent right behind a transaction; it must have gone well too before anybody hears of success. */
  readonly confirm?: () => Promise<void>
  readonly clock: Clock
  readonly report: Report
}

/** One step: commands that belong together. */
export type Fill = (multi: IRedisTransaction) => void

interface Waiting {
  readonly fill: Fill
  /** It is done again, because the server had forgotten a function. */
  readonly again: boolean
  readonly resolve: (replies: readonly unknown[]) => void
  readonly reject: (error: QueueError) => void
}

/** Steps of one transaction: nobody else is served meanwhile, some 5 ms. */
const TOGETHER = 50

type Reply = readonly [error: Error | null, value: unknown]

export class Batches {
  #options: BatchOptions
  #waiting: Waiting[] = []
  #running = false
  #scheduled = false

  constructor(options: BatchOptions) {
    this.#options = options
  }

  /** Resolves with the replies of this step; rejects with a `QueueError`. All of it may be said twice. */
  call(fill: Fill): Promise<readonly unknown[]> {
    this.#options.link.check()
    return new Promise((resolve, reject) => this.#add({ fill, again: false, resolve, reject }))
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
      await this.#batch(this.#waiting.splice(0, TOGETHER))
      // Whoever was answered may ask the next at once.
      await setImmediate()
    }
    this.#running = false
  }

  async #batch(batch: readonly Waiting[]): Promise<void> {
    const { link, redis, confirm, clock, report } = this.#options
    const started = performance.now()
    try {
      link.check()
      const multi = beginTransaction(redis)
      const ends = batch.map(({ fill }) => {
        fill(multi)
        return (multi as unknown as { readonly length: number }).length
      })
      const [replies] = await Promise.all([multi.exec(), confirm?.()])
      if (replies === null) throw new QueueError('failing', 'Redis did not execute a transaction')
      const milliseconds = performance.now() - started
      report({ kind: 'committed', at: clock.now(), milliseconds, operations: batch.length })
      const first = ends.length === 0 ? 0 : replies.length - ends.at(-1)!
      for (const [index, waiting] of batch.entries()) {
        const from = index === 0 ? BEFORE : ends[index - 1]!
        this.#answer(waiting, (replies as Reply[]).slice(from + first, ends[index]! + first))
      }
    } catch (error) {
      for (const { reject } of batch) reject(queueError(error))
    }
  }

  // BullMQ's numbers below zero are no errors here: a lock was lost or a job is gone, and our script, the
  // last of the step, has set that right.
  #answer(waiting: Waiting, replies: readonly Reply[]): void {
    const error = replies.find(([failed]) => failed !== null)?.[0] ?? null
    if (error === null) return waiting.resolve(replies.map(([, value]) => value))
    if (waiting.again || !isForgotten(error)) return waiting.reject(queueError(error))
    void remind(this.#options.redis).then(
      () => this.#add({ ...waiting, again: true }),
      (failed: unknown) => waiting.reject(queueError(failed)),
    )
  }
}

/** ioredis counts the MULTI itself. */
const BEFORE = 1

// ioredis remembers by connection what it has sent, and does not see that one of a transaction failed.
async function remind(redis: Redis): Promise<void> {
  await loadLibrary(redis)
  const { scriptsSet } = redis as unknown as { scriptsSet: Record<string, { lua: string }> }
  for (const { lua } of Object.values(scriptsSet)) await redis.script('LOAD', lua)
}
