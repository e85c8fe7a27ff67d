// What is said of mail: facts, as the history keeps them, and events, their echo to the log and the metrics. Both
// engines, whoever takes mail in and whoever takes it out make them here, from the same values.

import { formatAddress, formatPath } from '../mail/address.ts'
import type { RelayEvent } from '../mail/event.ts'
import type { Fact } from './port/history.ts'
import type { NewMail } from './port/intake.ts'
import type { Steered } from './port/control.ts'
import type { Delivery, Recipient, RecipientResult, Settlement } from './port/outflow.ts'
import type { Act, DeliveryId, MessageId, OperatorAct } from './port/types.ts'

type Event<Kind extends RelayEvent['kind']> = Extract<RelayEvent, { kind: Kind }>
type Accepted = Extract<Fact, { kind: 'accepted' }>

/** Of each delivery what the history tells of it. */
export type AcceptedDelivery = Omit<Accepted['deliveries'][number], 'id'>

export function deliveriesTold({ deliveries }: NewMail): AcceptedDelivery[] {
  return deliveries.map(({ destination, queue, rule, recipients }) => {
    return { destination, queue, rule, recipients }
  })
}

export function acceptedFact(
  id: MessageId,
  about: Pick<Accepted, 'at' | 'envelope'>,
  deliveries: readonly AcceptedDelivery[],
): Fact {
  const named = deliveries.map((delivery, index) => {
    return { id: `${id}-${index + 1}` as DeliveryId, ...delivery }
  })
  return { kind: 'accepted', ...about, deliveries: named }
}

/** @param id the message's own; differs from `mail.id` when that tells what the mail is derived from */
export function acceptedEvent(mail: NewMail, id = mail.id): Event<'accepted'> {
  const { at, envelope, content } = mail
  const { sender, recipients, submitter } = envelope
  const { client, user, protocol, rule } = submitter
  return {
    kind: 'accepted',
    at,
    id,
    from: sender === undefined ? '<>' : formatAddress(sender),
    to: recipients.map(({ address }) => formatAddress(address)),
    bytes: content.size,
    ...(client === undefined ? {} : { client }),
    ...(user === undefined ? {} : { user }),
    protocol,
    rule,
  }
}

/** JSON of the fact; `undefined` when nothing happened that is worth telling. */
export function settledFact(delivery: DeliveryId, settlement: Settlement): string | undefined {
  if (!isWorthTelling(settlement)) return undefined
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

// Nothing tried, nothing decided: a delivery that only met its lane's trouble.
function isWorthTelling({ attempt, results, warned, moveTo }: Settlement): boolean {
  if (attempt !== undefined || moveTo !== undefined || (warned?.length ?? 0) > 0) return true
  return results.some(({ outcome, verdict }) => verdict.kind !== 'untried' || outcome !== undefined)
}

/** What was tried, what ended, who was warned. */
export function* settledEvents(delivery: Delivery, settlement: Settlement): Generator<RelayEvent> {
  const byNumber = new Map(delivery.recipients.map((recipient) => [recipient.n, recipient]))
  for (const result of settlement.results) {
    const recipient = byNumber.get(result.n)
    if (recipient !== undefined) yield* resultEvents(delivery, recipient, settlement, result)
  }
  for (const n of settlement.warned ?? []) {
    const recipient = byNumber.get(n)
    if (recipient !== undefined)
      yield { kind: 'warned', ...subject(delivery, recipient, settlement) }
  }
}

function* resultEvents(
  delivery: Delivery,
  recipient: Recipient,
  settlement: Settlement,
  { outcome, verdict }: RecipientResult,
): Generator<RelayEvent> {
  const about = subject(delivery, recipient, settlement)
  const { attempt } = settlement
  if (outcome !== undefined && attempt !== undefined) {
    const attempts = recipient.attempts + (verdict.kind === 'untried' ? 0 : 1)
    const next = verdict.kind === 'retry' ? { next: verdict.due } : {}
    yield { kind: 'attempted', ...about, outcome, attempt, attempts, ...next }
  }
  if (verdict.kind !== 'end') return
  yield {
    kind: 'ended',
    ...about,
    end: verdict.end,
    acceptedAt: delivery.acceptedAt,
    ...(verdict.notice === undefined ? {} : { notice: verdict.notice }),
    ...(delivery.refuse === undefined ? {} : { by: delivery.refuse.who }),
    ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
  }
}

function subject(delivery: Delivery, recipient: Recipient, { at }: Settlement) {
  return {
    at,
    id: delivery.message,
    delivery: delivery.id,
    to: formatAddress(recipient.address),
    from: formatPath(delivery.envelope.sender).slice(1, -1),
    queue: delivery.queue,
    destination: delivery.destination,
  }
}

/** An operator has ended it, and no attempt tells. */
export function cancelledEvent(
  about: Omit<Event<'ended'>, 'kind' | 'end' | 'by' | 'reason'>,
  { who, why }: OperatorAct,
): RelayEvent {
  return { kind: 'ended', end: 'cancelled', ...about, by: who, reason: why }
}

/** @param what was steered, in words */
export function steeredEvent(
  at: number,
  act: Act,
  what: string,
  steered: Steered,
  { who, why }: OperatorAct,
): RelayEvent {
  return { kind: 'steered', at, act, what, ...steered, who, why }
}
