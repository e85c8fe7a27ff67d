// Values as programs read them: times in ISO 8601, addresses as text, one JSON object a line.

import { safeJson } from '../../base/escape.ts'
import type { Fact } from '../../queue/port/history.ts'
import type { Entry } from '../../queue/port/reader.ts'
import type { MessageId } from '../../queue/port/types.ts'
import { iso } from './times.ts'

const TIMES = new Set([
  'at',
  'startedAt',
  'seenAt',
  'since',
  'endedAt',
  'acceptedAt',
  'due',
  'next',
  'until',
  'expireAt',
  'warnAt',
])

export function jsonLine(value: unknown): string {
  return safeJson(plain(value)) + '\n'
}

/** The value with times and addresses written out, at any depth. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  if ('local' in value && 'domain' in value) return `${String(value.local)}@${String(value.domain)}`
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      typeof inner === 'number' && TIMES.has(key) ? iso(inner) : plain(inner),
    ]),
  )
}

/** One recorded fact of a message; `fact` says which kind it is. */
export function jsonFact(id: MessageId, { kind, ...rest }: Fact): string {
  return jsonLine({ id, fact: kind, ...rest })
}

/** Where a recipient stands after all facts. */
export function jsonNow(entry: Entry): string {
  return jsonLine({ id: entry.id, fact: 'now', ...plainEntry(entry) })
}

/** Every key is there, so that a program can rely on it; what is not known is null. */
export function plainEntry(entry: Entry): object {
  return {
    id: entry.id,
    delivery: entry.delivery,
    state: entry.state,
    from: entry.from,
    to: entry.to,
    queue: entry.queue,
    destination: entry.destination,
    attempts: entry.attempts,
    next: entry.next ?? null,
    reply: entry.reply ?? null,
    acceptedAt: entry.acceptedAt,
    endedAt: entry.endedAt ?? null,
    size: entry.size,
    notice: entry.notice ?? null,
    held: entry.held ?? null,
    refused: entry.refused ?? null,
  }
}
