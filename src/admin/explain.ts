// The facts of a message as sentences: what happened, in order, with replies word for word, and
// for each recipient why it waits and until when.

import { printable } from '../base/escape.ts'
import { formatSize } from '../base/units.ts'
import { formatAddress } from '../mail/address.ts'
import type { Submitter } from '../mail/envelope.ts'
import type { AttemptFact } from '../mail/event.ts'
import type { Outcome } from '../mail/outcome.ts'
import type { Entry, Fact, RecipientResult, Trace } from '../queue/port.ts'
import { both, iso, isoSeconds, relative } from './times.ts'

type Accepted = Extract<Fact, { kind: 'accepted' }>
type Settled = Extract<Fact, { kind: 'settled' }>

/** Everything that is known of a message, as lines that are safe on a terminal. */
export function explain(trace: Trace, now: number): string[] {
  const story = new Story(trace)
  const facts = trace.facts.flatMap((fact) => story.tell(fact))
  return [...facts, '', ...explainNow(trace, now)].map(printable)
}

/** Tells facts one by one, as they come in; it remembers names of recipients and counts attempts. */
export class Story {
  readonly #names = new Map<number, string>()
  readonly #attempts = new Map<string, number>()

  constructor({ entries }: Pick<Trace, 'entries'>) {
    for (const { n, to } of entries) this.#names.set(n, to)
  }

  tell(fact: Fact): string[] {
    switch (fact.kind) {
      case 'accepted':
        return this.#accepted(fact)
      case 'settled':
        return this.#settled(fact)
      case 'interrupted':
        return line(fact.at, 'interrupted', [
          `the relay stopped during an attempt of ${fact.delivery}; it may have arrived, and is tried again at the same host`,
        ])
      case 'act': {
        const what = fact.delivery === undefined ? '' : ` of ${fact.delivery}`
        const why = fact.why === '' ? '' : `: ${fact.why}`
        return line(fact.at, fact.act, [`${fact.act}${what} by ${fact.who}${why}`])
      }
    }
  }

  #accepted({ at, envelope, deliveries }: Accepted): string[] {
    for (const [n, { address }] of envelope.recipients.entries())
      this.#names.set(n, formatAddress(address))
    const { submitter } = envelope
    const sender = envelope.sender === undefined ? '<>' : formatAddress(envelope.sender)
    const way = describeSubmitter(submitter)
    return line(at, 'accepted', [
      `${formatSize(envelope.size)} from ${sender}`,
      way,
      ...deliveries.flatMap((delivery) =>
        delivery.recipients.map(
          (n) =>
            `${this.#name(n)} → ${delivery.destination} on queue ${delivery.queue} (${delivery.rule}), delivery ${delivery.id}`,
        ),
      ),
    ])
  }

  #settled(fact: Settled): string[] {
    const { attempt, delivery, moveTo, notices } = fact
    const tried = attempt !== undefined && fact.results.some(wasTried)
    const number = (this.#attempts.get(delivery) ?? 0) + (tried ? 1 : 0)
    this.#attempts.set(delivery, number)
    const title = tried ? `attempt ${number}` : titleOf(fact)
    const moved = moveTo === undefined ? [] : [`moves to ${moveTo.destination} (${moveTo.rule})`]
    const written = (notices ?? []).map((id) => `notice to the sender: message ${id}`)
    return line(fact.at, title, [
      ...(attempt === undefined ? [] : describeAttempt(attempt, delivery)),
      ...fact.results.map((result) => `${this.#name(result.n)}: ${describeResult(result)}`),
      ...(fact.warned ?? []).map((n) => `${this.#name(n)}: the sender was warned of the delay`),
      ...moved,
      ...written,
    ])
  }

  #name(n: number): string {
    return this.#names.get(n) ?? `recipient ${n + 1}`
  }
}

// Trouble before MAIL has an outcome, and burns no attempt.
function wasTried({ outcome, verdict }: RecipientResult): boolean {
  return outcome !== undefined && verdict.kind !== 'untried'
}

function titleOf({ results, warned, moveTo, attempt }: Settled): string {
  const end = results.find(({ verdict }) => verdict.kind === 'end')
  if (end?.verdict.kind === 'end') return end.verdict.end
  if (warned !== undefined && warned.length > 0) return 'warned'
  if (moveTo !== undefined) return 'moved'
  return attempt === undefined ? 'settled' : 'not tried'
}

/** Who gave it to us and why it was taken; what the relay wrote itself says what it tells of. */
export function describeSubmitter({ client, user, protocol, rule }: Submitter): string {
  if (client === undefined) return `written by the relay: ${rule}`
  const login = user === undefined ? '' : `, user ${user}`
  return `from ${client}${login} with ${protocol}, allowed by ${rule}`
}

function describeAttempt(attempt: AttemptFact, delivery: string): string[] {
  const took = `took ${seconds(attempt.endedAt - attempt.startedAt)}`
  const whom = attempt.host === undefined ? 'no host was reached' : `with ${hostOf(attempt)}`
  const lines = [`${delivery} ${whom}, ${took}`]
  const signed = attempt.signed === undefined ? [] : [signature(attempt.signed)]
  return [...lines, ...signed, ...(attempt.notes ?? [])]
}

function signature(signed: string): string {
  return signed.startsWith('unsigned') ? signed : `signed ${signed}`
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds}ms` : `${(milliseconds / 1000).toFixed(1)}s`
}

function hostOf({ host, address, port, source, tls }: AttemptFact): string {
  const where = address === undefined ? '' : ` [${address}]${port === undefined ? '' : `:${port}`}`
  const from = source === undefined ? '' : ` from ${source}`
  const verified = tls?.verified === true ? 'certificate verified' : 'certificate not verified'
  const how = tls === undefined ? ', without TLS' : `, ${tls.version} (${verified})`
  return `${host}${where}${from}${how}`
}

function describeResult({ outcome, verdict }: RecipientResult): string {
  const said = outcome === undefined ? '' : describeOutcome(outcome)
  const then = describeVerdict(verdict)
  if (outcome?.kind === 'delivered' && verdict.kind === 'end') return said
  return [said, then].filter((text) => text !== '').join('; ')
}

function describeOutcome({ kind, stage, by, reply }: Outcome): string {
  const status = reply.status === undefined ? '' : ` ${reply.status}`
  const words = `${reply.code}${status} ${reply.text.replaceAll('\n', ' / ')}`.trimEnd()
  const who = by === 'server' ? 'the server said' : 'the relay says'
  const doubt = kind === 'unknown' ? ', it may have arrived' : ''
  return `${kind} at ${stage}${doubt}: ${who} "${words}"`
}

function describeVerdict(verdict: RecipientResult['verdict']): string {
  switch (verdict.kind) {
    case 'end': {
      const notice = verdict.notice === undefined ? '' : `, notice ${verdict.notice}`
      const reason = verdict.reason === undefined ? '' : ` (${verdict.reason})`
      return `${verdict.end}${reason}${notice}`
    }
    case 'retry':
      return `next attempt ${isoSeconds(verdict.due)}`
    case 'untried':
      return verdict.due === undefined
        ? 'this burns no attempt'
        : `this burns no attempt, next ${isoSeconds(verdict.due)}`
  }
}

/** What each recipient's state is now, and why it waits. */
export function explainNow(trace: Trace, now: number): string[] {
  return trace.entries.flatMap((entry) => [
    `${entry.to}: ${describeState(entry, now)}`,
    ...suspensionsOf(trace, entry, now),
  ])
}

function describeState(entry: Entry, now: number): string {
  const tried = entry.attempts === 1 ? '1 attempt' : `${entry.attempts} attempts`
  switch (entry.state) {
    case 'waiting':
      return `waiting after ${tried}, ${nextOf(entry, now)}`
    case 'sending':
      return `being sent now, after ${tried}`
    case 'held':
      return `held${heldBy(entry)}; it waits until \`waypost queue release\``
    case 'delivered':
    case 'bounced':
    case 'expired':
    case 'suppressed':
    case 'cancelled': {
      const when = entry.endedAt === undefined ? '' : ` ${both(entry.endedAt, now)}`
      const notice = entry.notice === undefined ? '' : `, notice ${entry.notice}`
      return `${entry.state}${when} after ${tried}${notice}`
    }
  }
}

function nextOf({ next }: Entry, now: number): string {
  if (next === undefined) return 'no time is set'
  return next <= now ? `due since ${isoSeconds(next)}` : `next ${both(next, now)}`
}

function heldBy({ held }: Entry): string {
  return held === undefined ? '' : ` by ${held.who}${held.why === '' ? '' : `: ${held.why}`}`
}

function suspensionsOf({ suspended }: Trace, entry: Entry, now: number): string[] {
  if (entry.state !== 'waiting') return []
  return suspended
    .filter(({ lane, until }) => lane === entry.destination && until > now)
    .map(
      ({ lane, site, until, reason }) =>
        `    ${site ?? lane} is suspended until ${isoSeconds(until)} (${relative(until, now)}): ${reason}`,
    )
}

const INDENT = ' '.repeat(26)

// `2026-11-22T22:31:04.120Z  accepted   first` and the rest under it.
function line(at: number, title: string, texts: readonly string[]): string[] {
  const [first = '', ...rest] = texts
  return [`${iso(at)}  ${title.padEnd(11)} ${first}`, ...rest.map((text) => `${INDENT}${text}`)]
}
