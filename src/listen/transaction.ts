// One mail transaction (RFC 5321 3.3): what MAIL and RCPT have said until its content is there.

import type { Address } from '../mail/address.ts'
import type { EnvelopeRecipient } from '../mail/envelope.ts'
import type { Routing } from '../policy/policy.ts'
import type { MailCommand, RcptCommand } from './command.ts'
import { formatAddress } from '../mail/address.ts'

export class Transaction {
  readonly sender: Address | undefined
  readonly smtpUtf8: boolean
  readonly ret: 'full' | 'hdrs' | undefined
  readonly envid: string | undefined
  readonly recipients: EnvelopeRecipient[] = []
  /** Of each recipient, in the same order. */
  readonly routings: Routing[] = []
  /** Of `recipients`, once there are two. */
  #known: Set<string> | undefined

  constructor({ sender, smtpUtf8, ret, envid }: MailCommand) {
    this.sender = sender
    this.smtpUtf8 = smtpUtf8
    this.ret = ret
    this.envid = envid
  }

  /** The same only when local parts agree to the letter (RFC 5321 2.4). */
  has(address: Address): boolean {
    if (this.recipients.length === 0) return false
    this.#known ??= new Set(this.recipients.map((known) => formatAddress(known.address)))
    return this.#known.has(formatAddress(address))
  }

  add(recipient: RcptCommand, routing: Routing): void {
    this.recipients.push(recipient)
    this.routings.push(routing)
    this.#known?.add(formatAddress(recipient.address))
  }
}
