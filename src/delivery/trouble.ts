// The trouble of a site, or of a lane whose site is not known: when it waits, how long, and what
// ends it. Trouble before MAIL steps by the retry schedule; three different deliveries in a row that
// lose the connection from MAIL on count as such a step.

import type { Cause } from '../mail/outcome.ts'
import type { DeliveryId } from '../queue/port.ts'
import { nextAttempt } from './retry.ts'

const STRIKES = 3

export class Trouble {
  /** Nothing begins before then. */
  until = 0
  reason = ''
  cause: Cause = 'other'
  /** Of the first of the steps in a row. */
  since = 0
  #hurried = false
  /** Steps in a row; 0 when all is well. */
  #steps = 0
  #strikes = new Set<DeliveryId>()

  suspended(now: number): boolean {
    return now < this.until && !this.#hurried
  }

  /** The wait is over and nothing is known yet: one connection looks first. */
  get probing(): boolean {
    return this.#steps > 0
  }

  /** One step further; the time until which nothing begins. */
  step(
    retry: readonly number[],
    now: number,
    chance: number,
    reason: string,
    cause: Cause = 'other',
  ): number {
    if (this.#steps === 0) this.since = now
    this.#steps++
    this.#strikes.clear()
    this.#hurried = false
    this.until = nextAttempt(retry, this.#steps, now, chance)
    this.reason = reason
    this.cause = cause
    return this.until
  }

  /** An operator does not want to wait: the probe goes out now. */
  hurry(): void {
    this.#hurried = true
  }

  /** A delivery ended in a lost connection; `true`: it was the third in a row, time to step. */
  strike(delivery: DeliveryId): boolean {
    this.#strikes.add(delivery)
    return this.#strikes.size >= STRIKES
  }

  /** A server listened to a whole transaction, whatever it thought of it. */
  over(): void {
    this.#steps = 0
    this.#strikes.clear()
    this.#hurried = false
    this.until = 0
  }
}
