// What a notice tells: of which delivery, of which recipients, and what became of them. Also the
// question whether anybody wants to be told (RFC 3461 4.1, 5.2).

import type { Address } from '../../mail/address.ts'
import type { Notify } from '../../mail/envelope.ts'
import type { AttemptFact } from '../../mail/event.ts'
import type { NoticeFate, Outcome } from '../../mail/outcome.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Delivery, Recipient } from '../../queue/port/outflow.ts'
import type { MessageId } from '../../queue/port/types.ts'

export type NoticeKind = 'failure' | 'delay' | 'success'

export interface NoticeOptions {
  /** Our name: notices come from `mailer-daemon@` it. */
  readonly hostname: string
  readonly policy: Policy
}

/** One recipient that the notice tells of. */
export interface Reported {
  readonly recipient: Recipient
  /** What was seen last; absent where nothing was ever tried. */
  readonly outcome?: Outcome
  /** RFC 3464 2.3.3; `relayed`: passed on to a server that will send no success report. */
  readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed'
  /** An operator's words: why it was refused. */
  readonly reason?: string
  /** It had its time. */
  readonly expired?: boolean
  /** The last attempt's reply was not seen: it may have arrived. */
  readonly lastUnknown?: boolean
  /** And that was because the relay itself was cut off. */
  readonly cutOff?: boolean
}

export interface NoticeReport {
  readonly kind: NoticeKind
  /** Derived from delivery, attempt and kind, so that writing it twice is a no-op. */
  readonly id: MessageId
  readonly delivery: Delivery
  readonly at: number
  readonly attempt?: AttemptFact
  readonly recipients: readonly Reported[]
  /** The content's header: its bytes up to the empty line, or more of it. */
  readonly header: Buffer
  /** The whole content; it goes along when the sender asked for it, or it is small. */
  readonly full?: Buffer
  /** For delays: when the relay gives up. */
  readonly willRetryUntil?: number
}

/** Is a notice of this kind to be sent, and if not, why not. */
export function wantsNotice(
  recipient: { readonly notify?: readonly Notify[] },
  kind: NoticeKind,
  sender: Address | undefined,
): NoticeFate {
  if (sender === undefined) return 'null sender'
  const asked = recipient.notify ?? (['failure', 'delay'] satisfies Notify[])
  return !asked.includes('never') && asked.includes(kind) ? 'sent' : 'not wanted'
}
