// From a message of which all is known to what the queue accepts.

import type { Writable } from '../base/writable.ts'
import type { Address, Domain } from '../mail/address.ts'
import type { Envelope, Submitter } from '../mail/envelope.ts'
import type { Policy } from '../policy/policy.ts'
import type { NewMail } from '../queue/port/intake.ts'
import type { ContentRef, MessageId } from '../queue/port/types.ts'
import type { Submission } from './submission.ts'
import { needsSmtpUtf8 } from '../mail/address.ts'
import { deliveriesOf } from './deliveries.ts'

/** What is known of a message beside what its sender said. */
export interface MessageFacts {
  readonly id: MessageId
  /** When it was begun: milliseconds since 1970. */
  readonly at: number
  readonly submitter: Submitter
  /** The content has bytes above 127. */
  readonly eightBit: boolean
  readonly eightBitHead: boolean
  readonly fromDomains: readonly Domain[]
  /** There is a From, and it cannot be read for certain. */
  readonly fromUnread: boolean
  /** The field, which may be one that we wrote. */
  readonly messageId: string | undefined
}

export function newMail(
  submission: Submission,
  facts: MessageFacts,
  content: ContentRef,
  policy: Policy,
): NewMail {
  const { id, at } = facts
  return {
    id,
    at,
    envelope: envelopeOf(submission, facts, content.size),
    content,
    deliveries: deliveriesOf(submission.routings, policy, at),
  }
}

function envelopeOf(submission: Submission, facts: MessageFacts, size: number): Envelope {
  const envelope: Writable<Envelope> = {
    sender: submission.sender,
    recipients: submission.recipients,
    submitter: facts.submitter,
    size,
    eightBit: facts.eightBit,
    smtpUtf8: submission.smtpUtf8 && needsUtf8(submission, facts),
    fromDomains: facts.fromDomains,
  }
  if (facts.fromUnread) envelope.fromUnread = true
  if (facts.messageId !== undefined) envelope.messageIdField = facts.messageId
  if (submission.ret !== undefined) envelope.ret = submission.ret
  if (submission.envid !== undefined) envelope.envid = submission.envid
  return envelope
}

// RFC 6531 3.4: declared is not needed, and what is not needed must not stop at old servers.
function needsUtf8({ sender, recipients }: Submission, { eightBitHead }: MessageFacts): boolean {
  if (eightBitHead || isInternational(sender)) return true
  return recipients.some(({ address }) => needsSmtpUtf8(address))
}

function isInternational(sender: Address | undefined): boolean {
  return sender !== undefined && needsSmtpUtf8(sender)
}
