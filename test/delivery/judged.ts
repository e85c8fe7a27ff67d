// What the wire found, as it is judged by MX: for tests that speak of outcomes.

import { BY_MX, judge } from '../../src/delivery/decide/judge.ts'
import type { Connected, Found, TransactionResult } from '../../src/delivery/connection.ts'
import type { Outcome } from '../../src/mail/outcome.ts'

export function outcomesOf({ found }: TransactionResult): Map<number, Outcome> {
  return new Map([...found].map(([n, one]) => [n, judge(one, BY_MX)]))
}

/** Of a call that failed, or a name that leads nowhere. */
export function outcomeOf(failed: { readonly found: Found }): Outcome {
  return judge(failed.found, BY_MX)
}

type Failed = Extract<Connected, { kind: 'failed' }>
export type Called = Exclude<Connected, Failed> | (Failed & { readonly outcome: Outcome })

export function called(connected: Connected): Called {
  return connected.kind === 'failed' ? { ...connected, outcome: outcomeOf(connected) } : connected
}
