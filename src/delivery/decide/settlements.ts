// What one try of a delivery comes to, as the queue will write it. Pure: it says what happened to each
// recipient, and leaves to others to write it and to tell anybody.

import { clip } from '../../base/clip.ts'
import type { AttemptFact } from '../../mail/event.ts'
import type { Outcome } from '../../mail/outcome.ts'
import type { Delivery, Recipient, RecipientResult, Settlement } from '../../queue/port/outflow.ts'
import type { ConnectionFact } from '../connection.ts'
import type { Plan, Times } from './plan.ts'
import { UNTRIED, endVerdict, verdictOf } from './verdict.ts'
import type { Terms } from './verdict.ts'

type Move = Extract<Plan, { kind: 'move' }>

/** Nothing was tried: the delivery waits as before. */
export function untried(delivery: Delivery, at: number): Settlement {
  return { at, results: delivery.recipients.map(({ n }) => ({ n, verdict: UNTRIED })) }
}

/** Routing has changed its mind. */
export function moved(delivery: Delivery, { destination, rule }: Move, at: number): Settlement {
  return { ...untried(delivery, at), moveTo: { destination, rule } }
}

/** Nobody could be talked to: the outcome is recorded, and no attempt is burned. */
export function troubled(
  delivery: Delivery,
  outcome: Outcome,
  attempt: AttemptFact,
  at: number,
): Settlement {
  const results = delivery.recipients.map(({ n }) => ({ n, outcome, verdict: UNTRIED }))
  return { at, attempt, results }
}

/** An attempt was made: each asked recipient has its outcome; the others go on as they were. */
export function attempted(
  delivery: Delivery,
  outcomes: ReadonlyMap<number, Outcome>,
  attempt: AttemptFact,
  terms: Terms,
  times: Partial<Times>,
): Settlement {
  const results = delivery.recipients.map((recipient) => resultOf(recipient, outcomes, terms))
  const { expireAt, warnAt } = times
  return {
    at: terms.now,
    attempt,
    results,
    ...(expireAt === undefined || expireAt === delivery.expireAt ? {} : { expireAt }),
    ...(warnAt === undefined ? {} : { warnAt }),
  }
}

function resultOf(
  recipient: Recipient,
  outcomes: ReadonlyMap<number, Outcome>,
  terms: Terms,
): RecipientResult {
  const { n } = recipient
  const outcome = outcomes.get(n)
  if (outcome === undefined) return { n, verdict: UNTRIED }
  return { n, outcome, verdict: verdictOf(outcome, recipient, terms) }
}

/** Its time is over, or an operator refused it. */
export function ended(delivery: Delivery, at: number): Settlement {
  const { refuse, envelope } = delivery
  const end = refuse === undefined ? 'expired' : 'bounced'
  const results = delivery.recipients.map((recipient) => ({
    n: recipient.n,
    verdict: endVerdict(end, recipient, envelope.sender, refuse?.why),
  }))
  return { at, results }
}

/** One outcome for every recipient of it. */
export function all(recipients: readonly Recipient[], outcome: Outcome): Map<number, Outcome> {
  return new Map(recipients.map(({ n }) => [n, outcome]))
}

export function factOf(
  startedAt: number,
  endedAt: number,
  site: string | undefined,
  fact: ConnectionFact | undefined,
  notes: readonly string[],
  signed?: string,
): AttemptFact {
  const { host, address, port, source, tls } = fact ?? {}
  const said = fact === undefined || fact.notes.length === 0 ? notes : [...notes, ...fact.notes]
  return {
    startedAt,
    endedAt,
    ...(site === undefined ? {} : { site }),
    ...(host === undefined ? {} : { host }),
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port }),
    ...(source === undefined ? {} : { source }),
    ...(tls === undefined ? {} : { tls }),
    ...(signed === undefined || signed === '' ? {} : { signed }),
    ...(said.length === 0 ? {} : { notes: briefly(said) }),
  }
}

/** Of an attempt that calls twenty addresses, each with a reply of up to 8 KB. */
const NOTES = 20
const NOTE_LENGTH = 400

function briefly(notes: readonly string[]): readonly string[] {
  const shown = notes.slice(0, NOTES).map((note) => clip(note, NOTE_LENGTH))
  const more = notes.length - shown.length
  return more === 0 ? shown : [...shown, `and ${more} more notes`]
}
