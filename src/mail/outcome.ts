// What became of one recipient in one attempt. Outcomes are values: an exception never
// means that mail was not delivered.

import type { Reply } from './reply.ts'

/**
 * What the same trouble would stop next: this recipient, this message, all that goes this way to the site
 * (with this login, this demand for TLS), or all mail to the site. Trouble of a way or a site is no attempt
 * of the message.
 */
export type Scope = 'recipient' | 'message' | 'way' | 'site'

/** Where in the dialogue it was decided. `here`: before any server was asked. */
export type Stage =
  | 'here'
  | 'dns'
  | 'connect'
  | 'greeting'
  | 'hello'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'dot'

interface Judged {
  readonly stage: Stage
  readonly scope: Scope
  /** The server's reply, or our own sentence in the same form when `by` is `relay`. */
  readonly reply: Reply
  readonly by: 'server' | 'relay'
}

export type Outcome =
  | ({ readonly kind: 'delivered' } & Judged)
  | ({ readonly kind: 'deferred' } & Judged)
  | ({ readonly kind: 'refused' } & Judged)
  /** The final dot was sent and its reply not seen: it may have arrived. */
  | ({ readonly kind: 'unknown' } & Judged)

/** What kind of trouble suspends: what alarms and labels of metrics tell apart. */
export const CAUSES = ['login', 'tls', 'connect', 'dns', 'rate', 'other'] as const
export type Cause = (typeof CAUSES)[number]

export type OutcomeKind = Outcome['kind']

export const ENDS = ['delivered', 'bounced', 'expired', 'suppressed', 'cancelled'] as const
export type End = (typeof ENDS)[number]

export const STATES = ['waiting', 'sending', 'held', ...ENDS] as const
/** The state of a recipient; all but the first three are ends. */
export type State = (typeof STATES)[number]

export function isEnd(state: State): state is End {
  return (ENDS as readonly State[]).includes(state)
}

/** What the sender was told when a recipient bounced or expired; `no route`: no rule leads to it. */
export type NoticeFate = 'sent' | 'not wanted' | 'null sender' | 'no route'
