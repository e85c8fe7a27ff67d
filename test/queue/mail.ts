// Mail for tests of the queue, and the few steps that most of them begin with.

import { destinationOf } from '../../src/mail/destination.ts'
import type { Destination } from '../../src/mail/destination.ts'
import { parseAddress, parseDomain } from '../../src/mail/address.ts'
import type { Envelope } from '../../src/mail/envelope.ts'
import type { Outcome } from '../../src/mail/outcome.ts'
import type { NewDelivery, NewMail } from '../../src/queue/port/intake.ts'
import type {
  Delivery,
  Lease,
  RecipientResult,
  Settlement,
  Verdict,
} from '../../src/queue/port/outflow.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import type { ManualClock } from '../peers/clock.ts'

export const HOUR = 3_600_000

export interface MailWish {
  readonly id?: MessageId
  readonly from?: string
  /** Recipients; those of one domain share a delivery. */
  readonly to?: readonly string[]
  readonly queue?: string
  readonly priority?: number
  readonly due?: number
  readonly expireAt?: number
  readonly warnAt?: number
  readonly content?: Uint8Array
  readonly once?: NewMail['once']
  readonly destination?: string
}

export const WHO = { who: 'ana', why: 'a test' }

export function lane(name: string): Destination {
  return destinationOf({ kind: 'mx', domain: parseDomain(name)! })
}

/** Accepts a message; resolves with its id. */
export async function send(
  queue: Queue,
  clock: ManualClock,
  wish: MailWish = {},
): Promise<MessageId> {
  return await queue.accept(await mailOf(queue, clock, wish))
}

export async function mailOf(queue: Queue, clock: ManualClock, wish: MailWish): Promise<NewMail> {
  const id = wish.id ?? queue.newId()
  const body = wish.content ?? Buffer.from('Subject: news\r\n\r\nHello\r\n')
  const content = await queue.store(id, body)
  const envelope = envelopeOf(wish, content.size)
  const { once } = wish
  return {
    id,
    at: clock.now(),
    envelope,
    content,
    deliveries: deliveriesOf(envelope, wish, clock.now()),
    ...(once === undefined ? {} : { once }),
  }
}

function envelopeOf(wish: MailWish, size: number): Envelope {
  const sender = wish.from ?? 'ana@near.example'
  return {
    sender: sender === '' ? undefined : parseAddress(sender)!,
    recipients: (wish.to ?? ['bo@far.example']).map((to) => ({ address: parseAddress(to)! })),
    submitter: { client: '127.0.0.1', protocol: 'ESMTP', rule: 'relay.yaml:1' },
    size,
    eightBit: false,
    smtpUtf8: false,
    fromDomains: [],
  }
}

function deliveriesOf(envelope: Envelope, wish: MailWish, now: number): NewDelivery[] {
  const byDomain = new Map<string, number[]>()
  for (const [n, { address }] of envelope.recipients.entries()) {
    const name = wish.destination ?? address.domain
    byDomain.set(name, [...(byDomain.get(name) ?? []), n])
  }
  return [...byDomain].map(([name, recipients]) => ({
    destination: name as Destination,
    queue: wish.queue ?? 'default',
    rule: 'routing.yaml:1',
    priority: wish.priority ?? 10,
    recipients,
    due: wish.due ?? now,
    expireAt: wish.expireAt ?? now + 120 * HOUR,
    ...(wish.warnAt === undefined ? {} : { warnAt: wish.warnAt }),
  }))
}

export async function claimOne(queue: Queue): Promise<Lease> {
  const [lease] = await queue.claim(1)
  if (lease === undefined) throw new Error('No lane has due work')
  return lease
}

/** Claims one lane and takes from it. */
export async function takeOne(queue: Queue): Promise<{ lease: Lease; delivery: Delivery }> {
  const lease = await claimOne(queue)
  return { lease, delivery: await takeFrom(queue, lease) }
}

export async function takeFrom(queue: Queue, lease: Lease): Promise<Delivery> {
  const taken = await queue.take(lease)
  if (taken.kind !== 'delivery') throw new Error('Nothing is due in the lane')
  return taken.delivery
}

export function outcome(kind: Outcome['kind'], code = 250, text = 'so it said'): Outcome {
  return { kind, stage: 'dot', scope: 'message', by: 'server', reply: { code, text } }
}

export function delivered(n: number): RecipientResult {
  return { n, outcome: outcome('delivered'), verdict: { kind: 'end', end: 'delivered' } }
}

export function deferred(n: number, due: number, text = 'try later'): RecipientResult {
  return { n, outcome: outcome('deferred', 451, text), verdict: { kind: 'retry', due } }
}

/** The settlement of an attempt that went the same way for all. */
export function attempt(
  clock: ManualClock,
  delivery: Delivery,
  result: (n: number) => RecipientResult,
): Settlement {
  const at = clock.now()
  return {
    at,
    attempt: { startedAt: at, endedAt: at, host: 'mx.far.example', address: '192.0.2.1' },
    results: delivery.recipients.map(({ n }) => result(n)),
  }
}

export function ends(clock: ManualClock, delivery: Delivery, verdict: Verdict): Settlement {
  return { at: clock.now(), results: delivery.recipients.map(({ n }) => ({ n, verdict })) }
}

export async function statesOf(queue: Queue, id: MessageId): Promise<string[]> {
  const trace = await queue.trace(id)
  return trace?.entries.map(({ state }) => state) ?? []
}

export async function read(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}
