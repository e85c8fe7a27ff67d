// What becomes of what somebody hands in, as values without a protocol: each way in says them in its
// own words.

import type { Reason } from '../events/refusal.ts'
import type { At } from '../policy/policy.ts'
import type { MessageId } from '../queue/port/types.ts'

export type Verdict =
  | { readonly kind: 'accepted'; readonly id: MessageId }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface Refusal {
  readonly about: About
  /** As in RFC 3463: with 4 in front it may be tried again as it is, with 5 never. */
  readonly status: string
  /** For people: one line of printable ASCII. */
  readonly text: string
  /** What decided, as "relay.yaml:3"; absent where no rule did. */
  readonly rule?: At
}

/**
 * Named as metrics name it. Of `space` and `storage` the client is innocent; `tls` is what a way in
 * demands of itself. What is wrong with a protocol's words is no verdict.
 */
export type About = Exclude<Reason, 'syntax' | 'sequence' | 'rate' | 'other'>
