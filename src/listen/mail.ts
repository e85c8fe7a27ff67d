// From a transaction and its content to what the queue accepts: the envelope, and one delivery
// for each destination and queue that its recipients lead to.

import type { Address, Domain } from '../mail/address.ts'
import type { Envelope, Submitter } from '../mail/envelope.ts'
import type { Policy } from '../policy/policy.ts'
import type { NewDelivery, NewMail } from '../queue/port/intake.ts'
import type { ContentRef, MessageId } from '../queue/port/types.ts'
import type { Client } from './parts.ts'
import type { Transaction } from './transaction.ts'
import { needsSmtpUtf8 } from '../mail/address.ts'

/** What the content turned out to be. */
export interface ContentFacts {
  readonly eightBit: boolean
  readonly eightBitHead: boolean
  readonly fromDomains: readonly Domain[]
  /** There is a From, and it cannot be read for certain. */
  readonly fromUnread: boolean
  readonly messageId: string | undefined
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export function newMail(
  id: MessageId,
  at: number,
  transaction: Transaction,
  client: Client,
  facts: ContentFacts,
  content: ContentRef,
  policy: Policy,
): NewMail {
  return {
    id,
    at,
    envelope: envelopeOf(transaction, client, facts, content.size),
    content,
    deliveries: deliveriesOf(transaction, at, policy),
  }
}

function envelopeOf(
  transaction: Transaction,
  client: Client,
  facts: ContentFacts,
  size: number,
): Envelope {
  const envelope: Writable<Envelope> = {
    sender: transaction.sender,
    recipients: transaction.recipients,
    submitter: submitterOf(client),
    size,
    eightBit: facts.eightBit,
    smtpUtf8: transaction.smtpUtf8 && needsUtf8(transaction, facts),
    fromDomains: facts.fromDomains,
  }
  if (facts.fromUnread) envelope.fromUnread = true
  if (facts.messageId !== undefined) envelope.messageIdField = facts.messageId
  if (transaction.ret !== undefined) envelope.ret = transaction.ret
  if (transaction.envid !== undefined) envelope.envid = transaction.envid
  return envelope
}

function submitterOf(client: Client): Submitter {
  const submitter: Writable<Submitter> = {
    client: client.address,
    hello: client.hello,
    protocol: client.protocol,
    rule: client.rule,
  }
  if (client.user !== undefined) submitter.user = client.user
  return submitter
}

// RFC 6531 3.4: declared is not needed, and what is not needed must not stop at old servers.
function needsUtf8(transaction: Transaction, facts: ContentFacts): boolean {
  if (facts.eightBitHead || isInternational(transaction.sender)) return true
  return transaction.recipients.some(({ address }) => needsSmtpUtf8(address))
}

function isInternational(sender: Address | undefined): boolean {
  return sender !== undefined && needsSmtpUtf8(sender)
}

function deliveriesOf(transaction: Transaction, at: number, policy: Policy): NewDelivery[] {
  const groups = new Map<string, number[]>()
  for (const [n, routing] of transaction.routings.entries()) {
    const key = `${routing.queue}\n${routing.destination}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [n])
    else group.push(n)
  }
  const deliveries: NewDelivery[] = []
  for (const recipients of groups.values())
    deliveries.push(deliveryOf(transaction, recipients, at, policy))
  return deliveries
}

function deliveryOf(
  transaction: Transaction,
  recipients: number[],
  at: number,
  policy: Policy,
): NewDelivery {
  const { destination, queue, at: rule } = transaction.routings[recipients[0]!]!
  const { priority, giveUpAfter, warnAfter } = policy.queue(queue)
  const delivery: Writable<NewDelivery> = {
    destination,
    queue,
    rule,
    priority,
    recipients,
    due: at,
    expireAt: at + giveUpAfter,
  }
  if (warnAfter !== undefined) delivery.warnAt = at + warnAfter
  return delivery
}
