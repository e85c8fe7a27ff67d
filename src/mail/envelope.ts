// The envelope: what a client told us about a message before and beside its content.
// Plain, clonable data: it crosses threads and is stored as it is.

import type { Address, Domain } from './address.ts'

export const NOTIFY = ['never', 'success', 'failure', 'delay'] as const
export type Notify = (typeof NOTIFY)[number]

export interface EnvelopeRecipient {
  readonly address: Address
  /** RFC 3461 4.1; absent: the client said nothing, so failure and delay. */
  readonly notify?: readonly Notify[]
  /** RFC 3461 4.2, word for word: `rfc822;bo@far.example` in xtext. */
  readonly orcpt?: string
}

/** Who gave us the message, and how. */
export interface Submitter {
  /** Address of the client; absent for what the relay itself writes. */
  readonly client?: string
  readonly hello?: string
  readonly user?: string
  /** Protocol as in `Received`: ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848); `relay` for notices. */
  readonly protocol: string
  /** The rule that admitted it: "relay.yaml:3". */
  readonly rule: string
}

export interface Envelope {
  /** `undefined` is the null reverse-path `<>`. */
  readonly sender: Address | undefined
  readonly recipients: readonly EnvelopeRecipient[]
  readonly submitter: Submitter
  /** Bytes of the content as stored, our trace fields included. */
  readonly size: number
  /** The content has bytes above 127, or the client said BODY=8BITMIME and meant it. */
  readonly eightBit: boolean
  /** The client said SMTPUTF8 and the message needs it (RFC 6531 3.4). */
  readonly smtpUtf8: boolean
  /** Domains of the From field, in its order: what signing is chosen by. */
  readonly fromDomains: readonly Domain[]
  /** There is a From field, and nobody can say for certain what it says. */
  readonly fromUnread?: true
  /** The Message-ID field, for admins. */
  readonly messageIdField?: string
  readonly ret?: 'full' | 'hdrs'
  /** RFC 3461 4.4, word for word (xtext). */
  readonly envid?: string
  /** What kind of notice this is, when the relay wrote it: it is never answered with another. */
  readonly notice?: 'failure' | 'delay' | 'success'
}
