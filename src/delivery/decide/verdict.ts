// From the outcome of one recipient to what becomes of it. Pure, and the only place where an
// attempt ends a recipient or gives it a new time.

import type { Address } from '../../mail/address.ts'
import type { Outcome } from '../../mail/outcome.ts'
import type { Recipient, Verdict } from '../../queue/port/outflow.ts'
import { wantsNotice } from './notice-report.ts'
import { nextAttempt } from './retry.ts'

/** What policy says of this attempt. */
export interface Terms {
  readonly sender: Address | undefined
  readonly retry: readonly number[]
  readonly expireAt: number
  readonly now: number
  /** From 0 to 1. */
  readonly chance: number
  /** When to ask again for those that were not tried; absent: as before. */
  readonly untriedUntil?: number
}

export const UNTRIED: Verdict = { kind: 'untried' }

export function verdictOf(outcome: Outcome, recipient: Recipient, terms: Terms): Verdict {
  switch (outcome.kind) {
    case 'delivered':
      return { kind: 'end', end: 'delivered' }
    case 'refused':
      return {
        kind: 'end',
        end: 'bounced',
        notice: wantsNotice(recipient, 'failure', terms.sender),
      }
    case 'deferred':
      // Trouble of a site or of a way to it is no attempt of the message.
      if (outcome.scope === 'site' || outcome.scope === 'way') return untried(terms)
      return { kind: 'retry', due: dueAfter(recipient.attempts + 1, terms) }
    case 'unknown':
      // It may have arrived: one step more of patience before it could arrive twice.
      return { kind: 'retry', due: dueAfter(recipient.attempts + 2, terms) }
  }
}

function untried({ untriedUntil }: Terms): Verdict {
  return untriedUntil === undefined ? UNTRIED : { kind: 'untried', due: untriedUntil }
}

/** Its time is over, or an operator refused it. */
export function endVerdict(
  end: 'expired' | 'bounced',
  recipient: Recipient,
  sender: Address | undefined,
  reason?: string,
): Verdict {
  const notice = wantsNotice(recipient, 'failure', sender)
  return { kind: 'end', end, notice, ...(reason === undefined ? {} : { reason }) }
}

// What has no attempt left waits until it expires: the sender is told then, not before.
function dueAfter(attempts: number, { retry, expireAt, now, chance }: Terms): number {
  return Math.min(nextAttempt(retry, attempts, now, chance), Math.max(expireAt, now))
}
