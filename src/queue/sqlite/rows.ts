// Between the port's words and the wire's rows, both ways.

import { formatAddress } from '../../mail/address.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Envelope } from '../../mail/envelope.ts'
import { ENDS } from '../../mail/outcome.ts'
import { formatReply } from '../../mail/reply.ts'
import { formatDeliveryId, formatId, parseId, splitId } from '../ids.ts'
import type { ContentRef, Delivery, DeliveryId, LastAttempt, MessageId } from '../port.ts'
import type { NewDelivery, NewMail, RecipientResult, Settlement } from '../port.ts'
import { FATES } from './wire.ts'
import type { DeliveryRow, LoadedRow, MailRow, RecipientRow, ResultRow, SettleRow } from './wire.ts'

/** @param newNumber gives the number of mail whose id is not one of ours */
export function mailRow(mail: NewMail, newNumber: () => number): MailRow {
  const { envelope, content, once } = mail
  const number = parseId(mail.id)
  const { sender } = envelope
  const told = mail.deliveries.map(({ destination, queue, rule, recipients }) => {
    return { destination, queue, rule, recipients }
  })
  return [
    number ?? newNumber(),
    number === undefined ? mail.id : null,
    mail.at,
    sender === undefined ? '' : formatAddress(sender),
    content.size,
    content.bytes === undefined ? content.key : null,
    JSON.stringify(envelope),
    JSON.stringify(told),
    once === undefined ? null : [once.key, once.until],
    0,
    content.bytes?.length ?? 0,
    number !== undefined,
    mail.deliveries.map((delivery) => deliveryRow(delivery, envelope)),
  ]
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
  const { at, attempt, results, expireAt, warnAt, moveTo } = settlement
  const last = attempt === undefined ? undefined : lastOf(settlement)
  return [
    ...([message, n, at, results.map(resultRow)] as const),
    isWorthTelling(settlement) ? factOf(id, settlement) : null,
    last !== undefined || isWhole(settlement),
    last === undefined ? null : JSON.stringify(last),
    expireAt ?? null,
    warnAt,
    moveTo?.destination ?? null,
    notices,
    next,
    lease ?? null,
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

// Nothing tried, nothing decided: a delivery that only met its lane's trouble.
function isWorthTelling({ attempt, results, warned, moveTo }: Settlement): boolean {
  if (attempt !== undefined || moveTo !== undefined || (warned?.length ?? 0) > 0) return true
  return results.some(({ outcome, verdict }) => verdict.kind !== 'untried' || outcome !== undefined)
}

function factOf(delivery: DeliveryId, settlement: Settlement): string {
  const { at, attempt, results, notices, warned, moveTo } = settlement
  const ids = notices?.map(({ id }) => id)
  return JSON.stringify({
    kind: 'settled',
    at,
    delivery,
    attempt,
    results,
    warned,
    moveTo,
    notices: ids?.length === 0 ? undefined : ids,
  })
}

// Trouble before MAIL and an attempt of some recipients leave what is known of the others: what may
// have arrived goes first to the same host, and its notice says so.
function isWhole({ attempt, results }: Settlement): boolean {
  if (attempt === undefined) return false
  return results.every(({ outcome, verdict }) => outcome && verdict.kind !== 'untried')
}

function lastOf({ attempt, results }: Settlement): LastAttempt | undefined {
  if (!results.some(({ outcome }) => outcome?.kind === 'unknown')) return undefined
  return {
    kind: 'unknown',
    ...(attempt?.host === undefined ? {} : { host: attempt.host }),
    ...(attempt?.address === undefined ? {} : { address: attempt.address }),
  }
}

/** A delivery of mail that the client still has, before its first attempt. */
export function freshDelivery(mail: NewMail, n: number, lease: string): Delivery {
  const delivery = mail.deliveries[n - 1]!
  const { destination, queue, due, expireAt, warnAt, recipients } = delivery
  return {
    id: `${mail.id}-${n}` as DeliveryId,
    message: mail.id,
    destination,
    queue,
    acceptedAt: mail.at,
    expireAt,
    ...(warnAt === undefined ? {} : { warnAt }),
    envelope: envelopeOf(mail.envelope, recipients),
    recipients: recipients.map((index) => {
      return { n: index, ...mail.envelope.recipients[index]!, attempts: 0, due }
    }),
    content: mail.content,
    lease,
  }
}

export function loadedDelivery(row: LoadedRow): Delivery {
  const envelope = JSON.parse(row.envelope) as Envelope
  const { message, n, queue, at, expire, warn, last, refuse } = row
  return {
    id: formatDeliveryId(message, n),
    message: formatId(message),
    destination: row.destination as Destination,
    queue,
    acceptedAt: at,
    expireAt: expire,
    ...(warn === null ? {} : { warnAt: warn }),
    ...(last === null ? {} : { last }),
    ...(refuse === null ? {} : { refuse }),
    envelope: envelopeOf(
      envelope,
      row.recipients.map(([index]) => index),
    ),
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

/** Without the recipients that go elsewhere or have ended. */
function envelopeOf(envelope: Envelope, recipients: readonly number[]): Envelope {
  if (recipients.length === envelope.recipients.length) return envelope
  return { ...envelope, recipients: recipients.map((n) => envelope.recipients[n]!) }
}
