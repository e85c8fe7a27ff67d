// The leases that this process holds. One timer renews them all; whoever works under one asks here
// whether it is still sure. A lease that was not renewed for half its length is not: another
// process may be about to have it.

import { steady } from '../../base/clock.ts'
import type { Cancel, Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import type { Lease } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'

export interface HeldLease {
  readonly lease: Lease
  /** Leases are counted as they come. */
  readonly number: number
  /** Milliseconds that the queue gives without renewal. */
  readonly length: number
  renewedAt: number
}

export class Leases {
  #queue: Pick<Outflow, 'renew' | 'release'>
  #clock: Clock
  #report: Report
  #held = new Set<HeldLease>()
  #timer: Cancel | undefined
  #count = 0
  #failing = false

  constructor(queue: Pick<Outflow, 'renew' | 'release'>, clock: Clock, report: Report) {
    this.#queue = queue
    this.#clock = clock
    this.#report = report
  }

  get size(): number {
    return this.#held.size
  }

  /** How many there have been. */
  get count(): number {
    return this.#count
  }

  /** Holds a lease that was asked for at this time. */
  hold(lease: Lease, askedAt: number): HeldLease {
    const number = ++this.#count
    const renewedAt = steady(this.#clock) - (this.#clock.now() - askedAt)
    const held = { lease, number, length: lease.until - askedAt, renewedAt }
    this.#held.add(held)
    this.#timer ??= this.#clock.after(held.length / 6, () => void this.#renew())
    return held
  }

  sure(held: HeldLease): boolean {
    return steady(this.#clock) - held.renewedAt < held.length / 2
  }

  async release(held: HeldLease): Promise<void> {
    this.#held.delete(held)
    if (this.#held.size === 0) this.#stop()
    // One that cannot be given back lapses by itself.
    await this.#queue.release(held.lease).catch(() => {})
  }

  #stop(): void {
    this.#timer?.()
    this.#timer = undefined
  }

  async #renew(): Promise<void> {
    const held = [...this.#held]
    const renewedAt = steady(this.#clock)
    try {
      await this.#queue.renew(held.map((each) => each.lease))
      for (const each of held) each.renewedAt = renewedAt
      this.#failing = false
    } catch (error) {
      this.#tell(held.length, error)
    }
    const [first] = this.#held
    this.#timer =
      first === undefined
        ? undefined
        : this.#clock.after(first.length / 6, () => void this.#renew())
  }
  // Once, until it goes well again.
  #tell(count: number, error: unknown): void {
    if (this.#failing) return
    this.#failing = true
    const text = `Cannot renew ${count} leases, trying again`
    const [at, cause] = [this.#clock.now(), String(error)]
    this.#report({ kind: 'note', at, level: 'warn', text, cause })
  }
}
