// The facts of a message, from the fields of its record.

import type { Redis } from 'ioredis'

import { acceptedFact } from '../../events.ts'
import type { Fact } from '../../port/history.ts'
import type { MessageId } from '../../port/types.ts'
import type { MessageRow } from '../calls/rows.ts'

/** In order of time: their fields are f<time>.<number>.<place>. */
export function factsOf(fields: Readonly<Record<string, string>>): Fact[] {
  const found = Object.entries(fields).flatMap(([name, text]) => {
    const [, at, n, place] = /^f(\d+)\.(\d+)\.(\d+)$/.exec(name) ?? []
    if (at === undefined) return []
    return [{ at: Number(at), n: Number(n), place: Number(place), text }]
  })
  found.sort((one, other) => one.at - other.at || one.n - other.n || one.place - other.place)
  return found.map(({ text }) => JSON.parse(text) as Fact)
}

/** @param text what never changes of the message */
export function factOfMessage(id: MessageId, text: string): Fact {
  const { at, env: envelope, told } = JSON.parse(text) as MessageRow
  return acceptedFact(id, { at, envelope }, told)
}

/** Notices were handed in under derived ids; they are told by the ids that they have here. */
export async function withKnownIds<Maybe extends Fact | undefined>(
  redis: Redis,
  prefix: string,
  facts: readonly Maybe[],
): Promise<Maybe[]> {
  const derived = facts.flatMap((fact) => (fact?.kind === 'settled' ? (fact.notices ?? []) : []))
  if (derived.length === 0) return [...facts]
  const ids = await redis.mget(derived.map((id) => `${prefix}/alias/${id}`))
  const known = new Map(derived.map((id, n) => [id, (ids[n] ?? id) as MessageId]))
  return facts.map((fact) => {
    if (fact?.kind !== 'settled' || fact.notices === undefined) return fact
    return { ...fact, notices: fact.notices.map((id) => known.get(id)!) }
  })
}
