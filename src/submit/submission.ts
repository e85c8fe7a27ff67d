// A message that is being handed in: from whom, to whom, and where each recipient goes, until its
// content is there.

import type { Address } from '../mail/address.ts'
import type { EnvelopeRecipient } from '../mail/envelope.ts'
import type { Policy, Routing } from '../policy/policy.ts'
import type { Intake } from '../queue/port/intake.ts'
import type { Refusal } from './verdict.ts'
import { formatAddress } from '../mail/address.ts'
import { REFUSAL } from './refusals.ts'

/** What a sender says of his message before anything else. */
export interface Announced {
  /** `undefined` is the null reverse-path `<>`. */
  readonly sender: Address | undefined
  /** Bytes that the message is said to have; 0 where nothing was said. */
  readonly size: number
  /** Wants SMTPUTF8 (RFC 6531), should the message need it. */
  readonly smtpUtf8: boolean
  readonly ret?: 'full' | 'hdrs'
  readonly envid?: string
}

/** What is wrong with a message of this user, sender and size, before it has recipients. */
export function objection(
  policy: Policy,
  queue: Pick<Intake, 'refuses'>,
  user: string | undefined,
  { sender, size }: Announced,
): Refusal | undefined {
  if (size > policy.listen.size) return REFUSAL.tooBig
  // Nobody sends content for nothing, or waits for storage that is away.
  const trouble = queue.refuses()
  if (trouble !== undefined) return trouble === 'full' ? REFUSAL.full : REFUSAL.failing
  if (user === undefined) return undefined
  const verdict = policy.maySend(user, sender)
  return verdict.allowed ? undefined : { ...REFUSAL.sender, rule: verdict.at }
}

export class Submission {
  readonly sender: Address | undefined
  readonly smtpUtf8: boolean
  readonly ret: 'full' | 'hdrs' | undefined
  readonly envid: string | undefined
  readonly recipients: EnvelopeRecipient[] = []
  /** Of each recipient, in the same order. */
  readonly routings: Routing[] = []
  /** Of `recipients`, once there are two. */
  #known: Set<string> | undefined

  constructor({ sender, smtpUtf8, ret, envid }: Announced) {
    this.sender = sender
    this.smtpUtf8 = smtpUtf8
    this.ret = ret
    this.envid = envid
  }

  /** `known`: it is one of the recipients already. */
  add(policy: Policy, recipient: EnvelopeRecipient): 'added' | 'known' | Refusal {
    if (this.#has(recipient.address)) return 'known'
    if (this.recipients.length >= policy.listen.recipients) return REFUSAL.tooManyRecipients
    const routing = policy.route(recipient.address, this.sender)
    if (routing === undefined) return REFUSAL.noRoute
    this.recipients.push(recipient)
    this.routings.push(routing)
    this.#known?.add(formatAddress(recipient.address))
    return 'added'
  }

  /** The same only when local parts agree to the letter (RFC 5321 2.4). */
  #has(address: Address): boolean {
    if (this.recipients.length === 0) return false
    this.#known ??= new Set(this.recipients.map((known) => formatAddress(known.address)))
    return this.#known.has(formatAddress(address))
  }
}
