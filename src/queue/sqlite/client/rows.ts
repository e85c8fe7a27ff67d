// Between the port's words and the wire's rows, both ways.

import { formatAddress } from '../../../mail/address.ts'
import type { Destination } from '../../../mail/destination.ts'
import type { Envelope } from '../../../mail/envelope.ts'
import { ENDS } from '../../../mail/outcome.ts'
import { formatReply } from '../../../mail/reply.ts'
import { checkEntries } from '../../../store/store.ts'
import type { StoreEntry } from '../../../store/store.ts'
import { formatDeliveryId, formatId, parseId, splitId } from '../../ids.ts'
import type { NewDelivery, NewMail } from '../../port/intake.ts'
import type { Delivery, RecipientResult, Settlement } from '../../port/outflow.ts'
import type { ContentRef, DeliveryId, MessageId } from '../../port/types.ts'
import { deliveriesTold, settledFact } from '../../events.ts'
import { isWhole, lastOf } from '../../settled.ts'
import { FATES } from '../schema/wire.ts'
import type {
  DeliveryRow,
  LoadedRow,
  MailRow,
  RecipientRow,
  ResultRow,
  SettleRow,
} from '../schema/wire.ts'

/** @param newNumber gives the number of mail whose id is not one of ours */
export function mailRow(mail: NewMail, newNumber: () => number): MailRow {
  const { envelope, content, once } = mail
  const number = parseId(mail.id)
  const { sender } = envelope
  return [
    number ?? newNumber(),
    number === undefined ? mail.id : null,
    mail.at,
    sender === undefined ? '' : formatAddress(sender),
    content.size,
    content.bytes === undefined ? content.key : null,
    JSON.stringify(envelope),
    JSON.stringify(deliveriesTold(mail)),
    once === undefined ? null : [once.key, once.until],
    0,
    content.bytes?.length ?? 0,
    number !== undefined,
    mail.deliveries.map((delivery) => deliveryRow(delivery, envelope)),
    alsoOf(mail),
  ]
}

function alsoOf({ also }: NewMail | Settlement): readonly StoreEntry[] | null {
  if (also === undefined || also.length === 0) return null
  checkEntries(also)
  return also
}

function deliveryRow(delivery: NewDelivery, envelope: Envelope): DeliveryRow {
  const { destination, queue, priority, due, expireAt, warnAt } = delivery
  const recipients = delivery.recipients.map((n): RecipientRow => {
    const { address } = envelope.recipients[n]!
    return [n, formatAddress(address), address.domain]
  })
  return [destination, queue, priority, due, expireAt, warnAt ?? null, recipients]
}

export function settleRow(
  { id, lease }: Delivery,
  settlement: Settlement,
  notices: MailRow[],
  next: string | null,
): SettleRow {
  const [message, n] = numbersOf(id)
  const { at, results, expireAt, warnAt, moveTo } = settlement
  const last = lastOf(settlement)
  return [
    ...([message, n, at, results.map(resultRow)] as const),
    settledFact(id, settlement) ?? null,
    last !== undefined || isWhole(settlement),
    last === undefined ? null : JSON.stringify(last),
    expireAt ?? null,
    warnAt,
    moveTo?.destination ?? null,
    notices,
    next,
    lease ?? null,
    alsoOf(settlement),
  ]
}

export function numbersOf(id: DeliveryId): readonly [message: number, n: number] {
  const { message, n } = splitId(id)
  const number = parseId(message)
  if (number === undefined || n === undefined) throw new Error(`"${id}" is no id of a delivery`)
  return [number, n]
}

function resultRow({ n, outcome, verdict }: RecipientResult): ResultRow {
  const reply = outcome === undefined ? null : formatReply(outcome.reply)
  const tried = outcome === undefined || verdict.kind === 'untried' ? 0 : 1
  if (verdict.kind !== 'end') return [n, null, null, tried, verdict.due ?? null, reply]
  const notice = verdict.notice === undefined ? null : FATES.indexOf(verdict.notice)
  return [n, ENDS.indexOf(verdict.end), notice, tried, null, reply]
}

export function loadedDelivery(row: LoadedRow): Delivery {
  const envelope = JSON.parse(row.envelope) as Envelope
  const { message, n, queue, at, expire, warn, heldFor, last, refuse } = row
  return {
    id: formatDeliveryId(message, n),
    message: formatId(message),
    destination: row.destination as Destination,
    queue,
    acceptedAt: at,
    expireAt: expire,
    ...(warn === null ? {} : { warnAt: warn }),
    ...(heldFor === 0 ? {} : { heldFor }),
    ...(last === null ? {} : { last }),
    ...(refuse === null ? {} : { refuse }),
    envelope,
    recipients: row.recipients.map(([index, attempts, due]) => {
      return { n: index, ...envelope.recipients[index]!, attempts, due }
    }),
    content: contentOf(formatId(message), row),
  }
}

function contentOf(id: MessageId, { large, size, bytes }: LoadedRow): ContentRef {
  if (large !== null) return { key: large, size }
  return bytes === null ? { key: id, size } : { key: id, size, bytes }
}
