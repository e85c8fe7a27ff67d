// An event as one line: JSON for machines, or a short sentence for a terminal. Strangers' text
// is escaped in both. Connections and commits are for the metrics and have no line.

import { printable, safeJson } from '../base/escape.ts'
import { formatDuration } from '../base/units.ts'
import type { RelayEvent } from '../mail/event.ts'
import { formatReply } from '../mail/reply.ts'

type Attempted = Extract<RelayEvent, { kind: 'attempted' }>

/** What is written of an event, without a line end; `undefined` when it has no line. */
export type Line = (event: RelayEvent) => string | undefined

export function jsonLine(event: RelayEvent): string | undefined {
  const fields = fieldsOf(event)
  return fields === undefined ? undefined : safeJson(fields)
}

export function textLine(event: RelayEvent): string | undefined {
  const sentence = sentenceOf(event)
  if (sentence === undefined) return undefined
  // Notes are our own, and some are lists of mistakes. Of strangers' text no line is ever made.
  const lines = event.kind === 'note' ? sentence.split('\n') : [sentence]
  return `${timeOfDay(event.at)} ${lines.map(printable).join(`\n${' '.repeat(20)}`)}`
}

function fieldsOf(event: RelayEvent): object | undefined {
  const time = iso(event.at)
  switch (event.kind) {
    case 'accepted': {
      const { id, from, to, bytes, client, user, protocol, rule } = event
      return { time, event: 'accepted', id, from, to, bytes, client, user, protocol, rule }
    }
    case 'attempted':
      return attemptFields(time, event)
    case 'ended':
      return isToldByAttempt(event) ? undefined : endFields(time, event)
    case 'warned': {
      const { id, delivery, from, to, queue, destination } = event
      return { time, event: 'warned', id, delivery, from, to, queue, destination }
    }
    case 'interrupted': {
      const { id, delivery } = event
      return { time, event: 'interrupted', id, delivery }
    }
    case 'steered': {
      const { act, what, count, busy, who, why } = event
      return { time, event: act, what, count, busy, who, why }
    }
    case 'suspended': {
      const { lanes, site, until, reason, cause } = event
      // A login that is refused waits for a person, and for nobody else.
      const level = cause === 'login' ? 'error' : undefined
      return { time, event: 'suspended', level, lanes, site, until: iso(until), cause, reason }
    }
    case 'refused': {
      const { client, user, command, from, to, reply, rule, times } = event
      return { time, event: 'refused', client, user, command, from, to, reply, rule, times }
    }
    case 'login': {
      const { client, user, ok, reason } = event
      return { time, event: 'login', client, user, ok, reason }
    }
    case 'note': {
      const { level, text, cause } = event
      return { time, event: 'note', level, text, cause }
    }
    case 'connection':
    case 'committed':
      break
  }
  return undefined
}

// The attempt's line says "delivered" with all that is known; nothing is logged twice.
function isToldByAttempt(event: Extract<RelayEvent, { kind: 'ended' }>): boolean {
  return event.end === 'delivered'
}

function attemptFields(time: string, event: Attempted): object {
  const { outcome, attempt, next } = event
  return {
    time,
    event: outcome.kind,
    id: event.id,
    delivery: event.delivery,
    from: event.from,
    to: event.to,
    queue: event.queue,
    destination: event.destination,
    site: attempt.site,
    host: attempt.host,
    address: attempt.address,
    port: attempt.port,
    source: attempt.source,
    tls: attempt.tls?.version,
    verified: attempt.tls?.verified,
    stage: outcome.stage,
    by: outcome.by,
    reply: formatReply(outcome.reply),
    attempts: event.attempts,
    milliseconds: attempt.endedAt - attempt.startedAt,
    next: next === undefined ? undefined : iso(next),
    signed: attempt.signed,
    notes: attempt.notes?.length === 0 ? undefined : attempt.notes,
  }
}

function endFields(time: string, event: Extract<RelayEvent, { kind: 'ended' }>): object {
  const { id, delivery, from, to, queue, destination, notice, by, reason } = event
  const milliseconds = event.at - event.acceptedAt
  const about = { id, delivery, from, to, queue, destination }
  return { time, event: event.end, ...about, notice, by, reason, milliseconds }
}

function sentenceOf(event: RelayEvent): string | undefined {
  switch (event.kind) {
    case 'accepted':
      return `accepted   ${event.id} from ${path(event.from)} to ${list(event.to)}`
    case 'attempted':
      return attemptSentence(event)
    case 'ended':
      return isToldByAttempt(event) ? undefined : endSentence(event)
    case 'warned':
      return `warned     ${event.id} ${path(event.from)}: ${event.to} is still waiting`
    case 'interrupted':
      return `interrupted ${event.delivery}: it may have arrived, and is tried again`
    case 'steered': {
      const { act, what, count, busy, who, why } = event
      const later = busy === 0 ? '' : `, ${busy} after their attempt`
      const reason = why === '' ? '' : `: ${why}`
      return `${act.padEnd(10)} ${what} by ${who}: ${count} ${count === 1 ? 'recipient' : 'recipients'}${later}${reason}`
    }
    case 'suspended': {
      const whom = event.site ?? list(event.lanes)
      const cause = event.cause === 'login' ? ' (error: our login, account or right to relay)' : ''
      return `suspended  ${whom} until ${timeOfDay(event.until)}${cause}: ${event.reason}`
    }
    case 'refused':
      return `refused    ${event.client}${event.user === undefined ? '' : ` (user ${event.user})`} ${event.command}: ${event.reply}${rule(event.rule)}${alike(event.times)}`
    case 'login':
      return `login      ${event.user} from ${event.client} ${event.ok ? 'ok' : `failed: ${event.reason ?? ''}`}`
    case 'note':
      return `${event.level.padEnd(10)} ${event.text}${event.cause === undefined ? '' : `: ${event.cause}`}`
    case 'connection':
    case 'committed':
      break
  }
  return undefined
}

function attemptSentence(event: Attempted): string {
  const { outcome, attempt, next } = event
  const host = attempt.host === undefined ? '' : ` via ${attempt.host}`
  const took = formatDuration(attempt.endedAt - attempt.startedAt)
  const later = next === undefined ? '' : `, next ${timeOfDay(next)}`
  return `${outcome.kind.padEnd(10)} ${event.id} ${event.to}${host} in ${took}: ${formatReply(outcome.reply)}${later}`
}

function endSentence(event: Extract<RelayEvent, { kind: 'ended' }>): string {
  const notice = event.notice === undefined ? '' : `, notice ${event.notice}`
  const by = event.by === undefined ? '' : ` by ${event.by}`
  const reason = event.reason === undefined ? '' : `: ${event.reason}`
  return `${event.end.padEnd(10)} ${event.id} ${event.to}${by}${notice}${reason}`
}

function path(address: string): string {
  return address === '' ? '<>' : address
}

function list(names: readonly string[]): string {
  const [first = 'nobody', ...rest] = names
  return rest.length === 0 ? first : `${first} and ${rest.length} more`
}

function alike(times: number | undefined): string {
  return times === undefined ? '' : `, ${times} alike`
}

function rule(at: string | undefined): string {
  return at === undefined ? '' : ` (${at})`
}

// Many events share a millisecond, and the text of a date costs more than the rest of a line.
let lastAt = Number.NaN
let lastIso = ''

function iso(at: number): string {
  if (at !== lastAt) {
    lastIso = new Date(at).toISOString()
    lastAt = at
  }
  return lastIso
}

function timeOfDay(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}
