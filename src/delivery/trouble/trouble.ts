// The trouble of a site, of a way to it, or of a lane whose site is not known: since when it waits, until
// when, why, and what ends it. A circuit breaker: open while suspended, half open while one connection
// probes, closed when a server listened to a whole transaction.

import type { Destination } from '../../mail/destination.ts'
import type { Cause } from '../../mail/outcome.ts'
import type { DeliveryId } from '../../queue/port/types.ts'
import { backOff } from './back-off.ts'
import type { Patience } from './back-off.ts'

export class Trouble {
  /** Nothing begins before then. */
  until = 0
  /** When it was met first. */
  since = 0
  /** The moment at which it was met last: see `Health.moment`. */
  metAt = 0
  reason = ''
  cause: Cause = 'other'
  /** Lanes that the queue was told are suspended, and the last lease before it knew. */
  readonly told = new Map<Destination, number>()
  /** The lease that probes, where only one may. */
  probe: number | undefined
  #hurried = false
  /** Steps in a row; 0 when all is well. */
  #steps = 0

  suspended(now: number): boolean {
    return now < this.until && !this.#hurried
  }

  /** The wait is over and nothing is known yet: one connection looks first. */
  get probing(): boolean {
    return this.#steps > 0
  }

  /** One step further; the time until which nothing begins. */
  step(cause: Cause, patience: Patience, now: number, chance: number, reason: string): number {
    // Another trouble than before begins at its own first step.
    this.#steps = cause === this.cause ? this.#steps + 1 : 1
    if (this.#steps === 1) this.since = now
    this.#hurried = false
    this.probe = undefined
    this.cause = cause
    this.until = now + backOff(cause, this.#steps, patience, chance)
    this.reason = reason
    return this.until
  }

  /** Somebody does not want to wait, an operator or urgent mail: the probe goes out now. */
  hurry(): void {
    this.#hurried = true
  }

  /** A server listened to a whole transaction, whatever it thought of it. */
  over(): void {
    this.#steps = 0
    this.#hurried = false
    this.probe = undefined
    this.until = 0
  }
}

const IN_A_ROW = 3
/** While a site is being probed more are needed: a batch with the same fault comes due together. */
const IN_A_ROW_PROBING = 10
/** Deliveries that are remembered for having struck before. */
const REMEMBERED = 1000

/**
 * Different deliveries in a row that ended alike, and speak of the site together where each alone speaks
 * of its message. One that has struck before says nothing new.
 */
export class Strikes {
  #alike = ''
  #row = new Set<DeliveryId>()
  #before = new Set<DeliveryId>()

  /** `true`: it is the last that was needed. */
  count(delivery: DeliveryId, alike: string, isProbing: boolean): boolean {
    if (alike !== this.#alike) this.#row.clear()
    this.#alike = alike
    if (this.#before.has(delivery)) return false
    this.#before.add(delivery)
    if (this.#before.size > REMEMBERED) this.#before.delete(this.#before.keys().next().value!)
    this.#row.add(delivery)
    if (this.#row.size < (isProbing ? IN_A_ROW_PROBING : IN_A_ROW)) return false
    this.#row.clear()
    return true
  }

  /** One went through. */
  clear(): void {
    this.#row.clear()
  }
}
