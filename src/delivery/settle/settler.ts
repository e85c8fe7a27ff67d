// Writes what came of attempts. When storage fails the outcomes stay here, in memory, nothing new
// begins, and they are the first to be written when storage is back. `settle` never rejects.

import type { Cancel, Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import { settledEvents } from '../../queue/events.ts'
import type { Delivery, Lease, Settlement, Taken } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import { QueueError } from '../../queue/port/types.ts'

const AGAIN = 1000

/** A settlement, or how to make one when that needs storage too (its notices). */
export type ToSettle = Settlement | (() => Promise<Settlement>)

interface Kept {
  readonly delivery: Delivery
  readonly settlement: ToSettle
  readonly written: () => void
}

export class Settler {
  #queue: Pick<Outflow, 'settle'>
  #clock: Clock
  #report: Report
  #kept: Kept[] = []
  #timer: Cancel | undefined
  #writing: Promise<void> | undefined
  #waiting: (() => void)[] = []
  #failing = false
  #closed = false

  constructor(queue: Pick<Outflow, 'settle'>, clock: Clock, report: Report) {
    this.#queue = queue
    this.#clock = clock
    this.#report = report
  }

  /** Storage takes what we write. */
  get sound(): boolean {
    return !this.#failing
  }

  /** Resolves when every kept outcome is written, or the settler was closed. */
  whenSound(): Promise<void> {
    if (this.sound) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Resolves when it is written, with what `next` is to do; `undefined` also after trouble. */
  async settle(delivery: Delivery, settlement: ToSettle, next?: Lease): Promise<Taken | undefined> {
    if (this.#failing) return this.#keep(delivery, settlement)
    try {
      return await this.#write(delivery, settlement, next)
    } catch (error) {
      this.#lament(delivery, error)
      this.#failing ||= error instanceof QueueError
      return this.#keep(delivery, settlement)
    }
  }

  /** Tries once more; what cannot be written then is found marked at the next start. */
  async close(): Promise<void> {
    this.#timer?.()
    await this.#writing
    await this.#writeKept()
    this.#closed = true
    this.#timer?.()
    const left = this.#kept.splice(0)
    if (left.length > 0) this.#note('error', `${left.length} outcomes could not be written`)
    this.#failing = false
    this.#resume(left)
  }

  async #write(delivery: Delivery, toSettle: ToSettle, next?: Lease): Promise<Taken | undefined> {
    const settlement = typeof toSettle === 'function' ? await toSettle() : toSettle
    const taken = await this.#queue.settle(delivery, settlement, next)
    for (const event of settledEvents(delivery, settlement)) this.#report(event)
    return taken
  }

  // Whoever settles waits for storage; an outcome that is refused for a reason of its own waits alone.
  #keep(delivery: Delivery, settlement: ToSettle): Promise<undefined> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve(undefined)
      this.#kept.push({ delivery, settlement, written: () => resolve(undefined) })
      this.#timer ??= this.#clock.after(AGAIN, () => void this.#again())
      if (!this.#failing) resolve(undefined)
    })
  }

  async #again(): Promise<void> {
    await this.#writeKept()
    const done = this.#kept.length === 0 || this.#closed
    this.#timer = done ? undefined : this.#clock.after(AGAIN, () => void this.#again())
  }

  #writeKept(): Promise<void> {
    return (this.#writing ??= this.#writeEach().finally(() => (this.#writing = undefined)))
  }

  // One after the other: while storage is away a single write shows it. An outcome that is refused
  // for a reason of its own goes to the end, so that it cannot keep back the others.
  async #writeEach(): Promise<void> {
    for (let left = this.#kept.length; left > 0; left--) {
      const kept = this.#kept[0]!
      try {
        await this.#write(kept.delivery, kept.settlement)
        this.#kept.shift()
        kept.written()
      } catch (error) {
        if (error instanceof QueueError) return
        this.#kept.push(...this.#kept.splice(0, 1))
      }
    }
    this.#failing = false
    this.#resume([])
  }

  #resume(kept: readonly Kept[]): void {
    for (const { written } of kept) written()
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #lament(delivery: Delivery, error: unknown): void {
    this.#note('error', `Cannot write the outcome of "${delivery.id}", keeping it`, error)
  }

  #note(level: 'error', text: string, error?: unknown): void {
    const cause = error instanceof Error ? { cause: String(error) } : {}
    this.#report({ kind: 'note', at: this.#clock.now(), level, text, ...cause })
  }
}
