// Between the port's words and what the scripts are given, both ways.

import { formatAddress } from '../../../mail/address.ts'
import type { Destination } from '../../../mail/destination.ts'
import type { Envelope } from '../../../mail/envelope.ts'
import { formatReply } from '../../../mail/reply.ts'
import { checkEntries } from '../../../store/store.ts'
import type { StoreEntry } from '../../../store/store.ts'
import type { NewDelivery, NewMail, Once } from '../../port/intake.ts'
import type { Delivery, LastAttempt, RecipientResult, Settlement } from '../../port/outflow.ts'
import type { DeliveryId, MessageId } from '../../port/types.ts'
import type { HoldNote } from '../../holds.ts'
import { deliveriesTold } from '../../events.ts'
import type { AcceptedDelivery } from '../../events.ts'
import { isWhole, lastOf } from '../../settled.ts'
import type { Word } from './caller.ts'

/** What never changes of a message. */
export interface MessageRow {
  readonly at: number
  readonly size: number
  readonly env: Envelope
  readonly told: readonly AcceptedDelivery[]
}

/** A delivery that has not ended, as the message's hash has it. */
export interface DeliveryRow {
  readonly to: Destination
  readonly q: string
  readonly p: number
  readonly due: number
  readonly exp: number
  readonly warn?: number
  /** The recipients that wait there. */
  readonly r: readonly number[]
  /** The process that has it in memory, before its first attempt. */
  readonly by?: string
  /** 2: held; 3: refused. */
  readonly s?: 2 | 3
  readonly hold?: HoldNote
  readonly scope?: string
  /** Milliseconds by which holds have moved its times. */
  readonly hf?: number
  readonly last?: LastAttempt
  /** Pieces of content that does not ride along. */
  readonly k?: number
}

/** A recipient that was tried, or has ended. */
export interface RecipientRow {
  readonly d: number
  readonly a: number
  readonly due: number
  readonly re?: string
  /** Its end, when, and the notice. */
  readonly e?: string
  readonly at?: number
  readonly no?: string
  readonly to?: Destination
  readonly q?: string
}

export interface AcceptRow {
  readonly given: {
    readonly id: MessageId
    readonly to: readonly string[]
    readonly from: string
    readonly alias?: string
    readonly once?: Once
    readonly after?: string
    readonly outside?: true
  }
  /** Content that rides along, else nothing; then fields and values, `m` first. */
  readonly words: readonly Word[]
}

const NO_BYTES = new Uint8Array()

/**
 * @param id the message's own; differs from `mail.id` when that tells what the mail is derived from
 * @param chunks pieces of large content; 0 when it lives elsewhere; `undefined` when it rides along
 */
export function acceptRow(
  mail: NewMail,
  id: MessageId,
  keeper: string | undefined,
  chunks: number | undefined,
  after?: string,
): AcceptRow {
  const { envelope, content, deliveries, once, also } = mail
  const from = senderOf(envelope)
  const to = [...new Set(envelope.recipients.map(({ address }) => formatAddress(address)))]
  const given = {
    id,
    to,
    from,
    ...(id === mail.id ? {} : { alias: mail.id }),
    ...(once === undefined ? {} : { once }),
    ...alsoOf(also),
    ...(chunks === undefined ? {} : { large: true }),
    ...(chunks === 0 ? { outside: true as const } : {}),
    ...(after === undefined ? {} : { after }),
    deliveries: deliveries.map((delivery, index) => placeOf(delivery, index + 1)),
  }
  const bytes = chunks === undefined ? (content.bytes ?? NO_BYTES) : NO_BYTES
  const words: Word[] = [bytes, 'm', JSON.stringify(messageOf(mail))]
  const many = deliveries.length
  if (many > 1) words.push('live', many, 'last', many)
  if (id !== mail.id) words.push('alias', mail.id)
  const about = {
    ...(many === 1 ? { one: true } : {}),
    ...(chunks === undefined ? {} : { k: chunks }),
  }
  for (const [index, delivery] of deliveries.entries())
    words.push(`d${index + 1}`, JSON.stringify({ ...rowOf(delivery, keeper), ...about }))
  return { given, words }
}

function alsoOf(also: readonly StoreEntry[] | undefined): { also?: readonly StoreEntry[] } {
  if (also === undefined || also.length === 0) return {}
  checkEntries(also)
  return { also }
}

export function senderOf({ sender }: Envelope): string {
  return sender === undefined ? '' : formatAddress(sender)
}

function messageOf(mail: NewMail): MessageRow {
  const { at, content, envelope } = mail
  return { at, size: content.size, env: envelope, told: deliveriesTold(mail) }
}

function placeOf(delivery: NewDelivery, n: number) {
  const { destination, queue, priority, recipients, due, expireAt, warnAt } = delivery
  const alarm = String(Math.min(expireAt, warnAt ?? expireAt))
  return { n, to: destination, q: queue, p: priority, c: String(recipients.length), due, alarm }
}

function rowOf(delivery: NewDelivery, keeper: string | undefined): DeliveryRow {
  const { destination, queue, priority, due, expireAt, warnAt, recipients } = delivery
  return {
    to: destination,
    q: queue,
    p: Math.max(1, priority),
    due,
    exp: expireAt,
    ...(warnAt === undefined ? {} : { warn: warnAt }),
    r: recipients,
    ...(keeper === undefined ? {} : { by: keeper }),
  }
}

export interface SettleGiven {
  readonly id: string
  readonly n: number
  readonly lane: string
  readonly lease: string
}

export function settleRow(base: SettleGiven, settlement: Settlement): object {
  const { at, results, expireAt, warnAt, moveTo, also } = settlement
  const last = lastOf(settlement)
  return {
    ...base,
    ...alsoOf(also),
    at,
    results: results.map(resultRow),
    ...(last !== undefined || isWhole(settlement) ? { whole: true } : {}),
    ...(last === undefined ? {} : { last }),
    ...(expireAt === undefined ? {} : { exp: expireAt }),
    ...(typeof warnAt === 'number' ? { warn: warnAt } : {}),
    ...(warnAt === null ? { never: true } : {}),
    ...(moveTo === undefined ? {} : { to: moveTo.destination }),
  }
}

function resultRow({ n, outcome, verdict }: RecipientResult): object {
  const re = outcome === undefined ? {} : { re: formatReply(outcome.reply) }
  const tried = outcome === undefined || verdict.kind === 'untried' ? 0 : 1
  if (verdict.kind !== 'end')
    return { r: n, tried, ...re, ...(verdict.due === undefined ? {} : { due: verdict.due }) }
  const no = verdict.notice === undefined ? {} : { no: verdict.notice }
  return { r: n, tried, e: verdict.end, ...no, ...re }
}

/** When the first of its recipients is due after this; `undefined` when none waits any more. */
export function dueAfter({ recipients }: Delivery, { results }: Settlement): number | undefined {
  const before = new Map(recipients.map(({ n, due }) => [n, due]))
  let first = Infinity
  for (const { n, verdict } of results)
    if (verdict.kind !== 'end') first = Math.min(first, verdict.due ?? before.get(n) ?? Infinity)
  return first === Infinity ? undefined : first
}

/** What `load` of the scripts answers, as bytes. */
export type LoadedRow = readonly [
  kind: Buffer,
  id: Buffer,
  n: number,
  delivery: Buffer,
  message: Buffer,
  recipients: Buffer,
  content: Buffer,
]

export function loadedDelivery(row: LoadedRow, lease: string | undefined): Delivery {
  const id = String(row[1]) as MessageId
  const delivery = JSON.parse(String(row[3])) as DeliveryRow
  const { at, size, env: envelope } = JSON.parse(String(row[4])) as MessageRow
  const { to, q, exp, warn, hf, last, s, hold, k } = delivery
  return {
    id: `${id}-${row[2]}` as DeliveryId,
    message: id,
    destination: to,
    queue: q,
    acceptedAt: at,
    expireAt: exp,
    ...(warn === undefined ? {} : { warnAt: warn }),
    ...((hf ?? 0) === 0 ? {} : { heldFor: hf! }),
    ...(last === undefined ? {} : { last }),
    ...(s === 3 && hold !== undefined ? { refuse: hold } : {}),
    envelope,
    recipients: waitingOf(row, delivery).map(([n, attempts, due]) => {
      return { n, ...envelope.recipients[n]!, attempts, due }
    }),
    content: k === undefined ? { key: id, size, bytes: row[6] } : { key: id, size },
    ...(lease === undefined ? {} : { lease }),
  }
}

type Waiting = readonly [n: number, attempts: number, due: number]

/** Before its first attempt nothing is said of them. */
function waitingOf([, , , , , text]: LoadedRow, { r, due }: DeliveryRow): readonly Waiting[] {
  if (text.length === 0) return r.map((n) => [n, 0, due])
  return JSON.parse(String(text)) as Waiting[]
}
