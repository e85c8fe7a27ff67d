// How long a site, a way to it or a name is left alone after trouble. That has nothing to do with how
// often a message is tried: it is bounded by minutes, and by what the queue with the least patience can
// bear, so that nothing expires untried while the way is open again. Pure.

import type { Cause } from '../../mail/outcome.ts'

const SECOND = 1000

/**
 * Milliseconds after each step of trouble in a row; the last repeats. A probe is one connection, so that
 * a host which is down is asked every five minutes at the least. A login is asked less often at first:
 * accounts are locked by too many wrong ones (Microsoft's smart lock-out: 10). A rate is most often
 * counted by the minute (Postfix' anvil, sendmail's `ClientRate`).
 */
const STEPS = {
  connect: [10, 20, 40, 80, 160, 300],
  dns: [10, 20, 40, 80, 160, 300],
  tls: [15, 30, 60, 120, 300],
  login: [30, 60, 120, 240, 300],
  rate: [10, 10, 10, 10, 10, 15, 15, 30, 30, 60, 120, 300],
  other: [10, 20, 40, 80, 160, 300],
} as const satisfies Record<Cause, readonly number[]>

/** A queue tries at least so often within its lifetime, whatever the trouble. */
const TRIES = 4
const SHORTEST = SECOND

export interface Patience {
  /** The shortest lifetime of any queue, in milliseconds. */
  readonly lifetime: number
  /** The mail that met the trouble is urgent: it is asked for every minute at the least. */
  readonly isUrgent: boolean
}

const URGENT = 60 * SECOND

/**
 * Milliseconds to wait, up to a tenth more than the step says, or all that one outage stopped would
 * return at one instant.
 * @param steps how many in a row, this one included
 * @param chance from 0 to 1
 */
export function backOff(
  cause: Cause,
  steps: number,
  { lifetime, isUrgent }: Patience,
  chance: number,
): number {
  const table = STEPS[cause]
  const step = table[Math.min(steps, table.length) - 1]! * SECOND
  const most = Math.min(isUrgent ? URGENT : Infinity, lifetime / TRIES)
  return Math.round(Math.max(SHORTEST, Math.min(step, most)) * (1 + chance / 10))
}
