// The facts of a message as sentences: what happened, in order, with replies word for word, and
// for each recipient why it waits and until when. Where they are read, a terminal or a page, is
// not asked here: strangers' words in them are not yet made safe.

import { formatSize } from '../../base/units.ts'
import { formatAddress } from '../../mail/address.ts'
import type { Submitter } from '../../mail/envelope.ts'
import type { AttemptFact } from '../../mail/event.ts'
import type { NoticeFate, Outcome } from '../../mail/outcome.ts'
import { sentenceOf } from '../../mail/status.ts'
import type { Fact } from '../../queue/port/history.ts'
import type { RecipientResult } from '../../queue/port/outflow.ts'
import type { Entry, Trace } from '../../queue/port/reader.ts'
import { byWhom, describeHeld } from './holds.ts'
import { both, isoSeconds, relative } from './times.ts'

type Accepted = Extract<Fact, { kind: 'accepted' }>
type Settled = Extract<Fact, { kind: 'settled' }>

/** One fact in words: what it is called, and what there is to say of it. */
export interface Told {
  readonly at: number
  readonly title: string
  readonly texts: readonly string[]
}

/** Where a recipient stands, and what stops it now. */
export interface Standing {
  readonly to: string
  readonly text: string
  readonly stops: readonly string[]
}

/** Tells facts one by one, as they come in; it remembers names of recipients and counts attempts. */
export class Story {
  readonly #names = new Map<number, string>()
  readonly #attempts = new Map<string, number>()
  /** A message that goes one way needs no names for its deliveries. */
  readonly #isOne: boolean

  constructor({ entries }: Pick<Trace, 'entries'>) {
    for (const { n, to } of entries) this.#names.set(n, to)
    this.#isOne = new Set(entries.map(({ delivery }) => delivery)).size === 1
  }

  tell(fact: Fact): Told {
    switch (fact.kind) {
      case 'accepted':
        return this.#accepted(fact)
      case 'settled':
        return this.#settled(fact)
      case 'interrupted':
        this.#attempts.set(fact.delivery, (this.#attempts.get(fact.delivery) ?? 0) + 1)
        return told(fact.at, 'interrupted', [
          `the relay stopped during an attempt${this.#of(fact.delivery)}; it may have arrived, and is tried again at the same host`,
        ])
      case 'restored':
        return told(fact.at, 'restored', [
          `by ${fact.who}, from the object store; attempts before this are not known any more`,
        ])
      case 'act': {
        const why = fact.why === '' ? '' : `: ${fact.why}`
        return told(fact.at, fact.act, [`by ${fact.who}${this.#of(fact.delivery)}${why}`])
      }
    }
  }

  #of(delivery: string | undefined): string {
    return delivery === undefined || this.#isOne ? '' : ` of ${delivery}`
  }

  #accepted({ at, envelope, deliveries }: Accepted): Told {
    for (const [n, { address }] of envelope.recipients.entries())
      this.#names.set(n, formatAddress(address))
    const { submitter } = envelope
    const sender = envelope.sender === undefined ? '<>' : formatAddress(envelope.sender)
    const way = describeSubmitter(submitter)
    return told(at, 'accepted', [
      `${formatSize(envelope.size)} from ${sender}`,
      way,
      ...deliveries.map(({ id, destination, queue, rule, recipients }) => {
        const names = recipients.map((n) => this.#name(n)).join(', ')
        return `${id} to ${destination} on queue ${queue} (${rule}): ${names}`
      }),
    ])
  }

  #settled(fact: Settled): Told {
    const { attempt, delivery, moveTo, notices } = fact
    const tried = attempt !== undefined && fact.results.some(wasTried)
    const number = (this.#attempts.get(delivery) ?? 0) + (tried ? 1 : 0)
    this.#attempts.set(delivery, number)
    const title = tried ? `attempt ${number}` : titleOf(fact)
    const moved = moveTo === undefined ? [] : [`moves to ${moveTo.destination} (${moveTo.rule})`]
    const written = (notices ?? []).map((id) => `notice to the sender: message ${id}`)
    return told(fact.at, title, [
      ...(attempt === undefined ? [] : describeAttempt(attempt, this.#isOne ? '' : `${delivery} `)),
      ...fact.results.flatMap((result) => {
        const told = describeResult(result)
        return told === '' ? [] : [`${this.#name(result.n)}: ${told}`]
      }),
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

function describeAttempt(attempt: AttemptFact, which: string): string[] {
  const took = `took ${seconds(attempt.endedAt - attempt.startedAt)}`
  const whom = attempt.host === undefined ? 'no host was reached' : `with ${hostOf(attempt)}`
  const lines = [`${which}${whom}, ${took}`]
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
  const then = describeVerdict(verdict, outcome !== undefined)
  if (outcome?.kind === 'delivered' && verdict.kind === 'end') return said
  return [said, then].filter((text) => text !== '').join('; ')
}

function describeOutcome({ kind, stage, by, reply }: Outcome): string {
  const status = reply.status === undefined ? '' : ` ${reply.status}`
  const words = `${reply.code}${status} ${reply.text.replaceAll('\n', ' / ')}`.trimEnd()
  const said = `${by === 'server' ? 'the server said' : 'the relay says'} "${words}"`
  if (kind === 'delivered') return `delivered: ${said}`
  const doubt = kind === 'unknown' ? ', it may have arrived' : ''
  // Our own words are plain already.
  const meaning = by === 'server' && reply.status !== undefined ? meaningOf(reply.status) : ''
  return `${kind} at ${stage}${doubt}: ${said}${meaning}`
}

// Who says 4.7.1 ("not wanted") for now is greylisting, and its own words say more.
function meaningOf(status: string): string {
  const sentence = status === '4.7.1' ? undefined : sentenceOf(status)?.replace(/\.$/, '')
  return sentence === undefined ? '' : ` (${sentence[0]!.toLowerCase()}${sentence.slice(1)})`
}

function describeVerdict(verdict: RecipientResult['verdict'], wasAsked: boolean): string {
  switch (verdict.kind) {
    case 'end': {
      const notice = verdict.notice === undefined ? '' : `, ${describeNotice(verdict.notice)}`
      const reason = verdict.reason === undefined ? '' : ` (${verdict.reason})`
      return `${verdict.end}${reason}${notice}`
    }
    case 'retry':
      return `next attempt ${isoSeconds(verdict.due)}`
    case 'untried': {
      const next = verdict.due === undefined ? [] : [`next ${isoSeconds(verdict.due)}`]
      return [...(wasAsked ? ['this burns no attempt'] : []), ...next].join(', ')
    }
  }
}

function describeNotice(fate: NoticeFate): string {
  switch (fate) {
    case 'sent':
      return 'notice sent'
    case 'not wanted':
      return 'no notice, the sender wanted none'
    case 'null sender':
      return 'no notice, since <> is the sender'
    case 'no route':
      return 'no notice, as no rule routes one to the sender'
  }
}

/** What each recipient's state is now, and why it waits. */
export function standings(trace: Trace, now: number): Standing[] {
  return trace.entries.map((entry) => ({
    to: entry.to,
    text: describeState(entry, now),
    stops: stopsOf(trace, entry, now),
  }))
}

function describeState(entry: Entry, now: number): string {
  const { attempts } = entry
  const tried = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  switch (entry.state) {
    case 'waiting':
      if (entry.refused !== undefined)
        return `refused ${byWhom(entry.refused)}; it ends as bounced when its notice is written, which a relay that delivers does`
      return `waiting${attempts === 0 ? ', not tried yet' : ` after ${tried}`}, ${nextOf(entry, now)}`
    case 'sending':
      return `being sent now${attempts === 0 ? '' : `, after ${tried}`}`
    case 'held':
      return describeHeld(entry)
    case 'delivered':
    case 'bounced':
    case 'expired':
    case 'suppressed':
    case 'cancelled': {
      const when = entry.endedAt === undefined ? '' : ` ${both(entry.endedAt, now)}`
      const notice = entry.notice === undefined ? '' : `, ${describeNotice(entry.notice)}`
      return `${entry.state}${when} ${attempts === 0 ? 'untried' : `after ${tried}`}${notice}`
    }
  }
}

function nextOf({ next }: Entry, now: number): string {
  if (next === undefined) return 'no time is set'
  return next <= now ? `due since ${isoSeconds(next)}` : `next ${both(next, now)}`
}

function stopsOf({ suspended, busy = [] }: Trace, entry: Entry, now: number): string[] {
  const { state, destination, next } = entry
  if (state !== 'waiting') return []
  const stops = suspended
    .filter(({ lane, until }) => lane === destination && until > now)
    .map(
      ({ lane, site, until, reason }) =>
        `${site ?? lane} is suspended until ${isoSeconds(until)} (${relative(until, now)}): ${reason}`,
    )
  if (stops.length > 0 || next === undefined || next > now || !busy.includes(destination))
    return stops
  return [`all connections that the site of ${destination} may have are in use`]
}

function told(at: number, title: string, texts: readonly string[]): Told {
  return { at, title, texts }
}
