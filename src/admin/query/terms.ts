// What mail can be sought by: one table, from which come the options of the command line and
// whatever else asks by names and texts. It knows no terminal; what cannot be read is a QueryError.

import { parseDuration } from '../../base/units.ts'
import { formatAddress, parseAddress, parseDomain } from '../../mail/address.ts'
import { STATES, type State } from '../../mail/outcome.ts'
import type { Filter } from '../../queue/port/reader.ts'

/** A sentence that says what to write. */
export class QueryError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'QueryError'
  }
}

/** Values as they are asked for, by term; times are milliseconds before now. */
export interface Query {
  readonly id?: readonly string[]
  readonly to?: string
  readonly from?: string
  readonly domain?: string
  readonly destination?: string
  readonly queue?: string
  readonly state?: readonly State[]
  readonly olderThan?: number
  readonly newerThan?: number
  readonly attempts?: number
  readonly reply?: string
}

export interface Term<Name extends keyof Query = keyof Query> {
  readonly name: Name
  /** As it is written: `older-than`. */
  readonly word: string
  /** What stands behind it: `<time>`. */
  readonly value: string
  readonly says: string
  /** The value; `before` is what the term had already, for those that may be given again. */
  readonly read: (text: string, before?: Query[Name]) => NonNullable<Query[Name]>
}

// No policy suppresses mail yet: who looks for help need not look for that.
const SHOWN = STATES.filter((state) => state !== 'suppressed').join(', ')

/** In the order of the help. */
export const TERMS: readonly Term[] = [
  term('id', 'id', '<id>', 'message or delivery; may be given again', (text, before = []) => [
    ...before,
    text,
  ]),
  term('to', 'to', '<address>', 'recipient: an address, or a domain', readWho),
  term(
    'from',
    'from',
    '<address>',
    'sender: an address, or a domain; <> is the null sender',
    readWho,
  ),
  term('domain', 'domain', '<domain>', 'domain of the recipient', readDomain),
  term(
    'destination',
    'destination',
    '<name>',
    'where routing sends it: far.example, or host:port',
    readText,
  ),
  term('queue', 'queue', '<name>', 'queue, as its file is named', readText),
  term('state', 'state', '<state>', `${SHOWN}; may be given again`, (text, before = []) => [
    ...before,
    readState(text),
  ]),
  term('olderThan', 'older-than', '<time>', 'accepted longer ago than this: 30m, 2h, 5d', readTime),
  term('newerThan', 'newer-than', '<time>', 'accepted within this time', readTime),
  term('attempts', 'attempts', '<count>', 'tried at least so often (scans)', readCount),
  term('reply', 'reply', '<text>', 'part of the last reply (scans)', readText),
]

function term<Name extends keyof Query>(
  name: Name,
  word: string,
  value: string,
  says: string,
  read: Term<Name>['read'],
): Term {
  return { name, word, value, says, read: read as Term['read'] }
}

/** The states of what has not ended. */
export const WAITING: readonly State[] = ['waiting', 'sending', 'held']

/** States are those asked for; else the ones given here, unless ids say exactly which. */
export function filterOf(query: Query, now: number, states: readonly State[]): Filter {
  const { id, state, olderThan, newerThan, attempts } = query
  const { to, from, domain, destination, queue, reply } = query
  const chosen = state ?? (id === undefined ? states : undefined)
  return {
    ...(id === undefined ? {} : { ids: id }),
    ...(to === undefined ? {} : { to }),
    ...(from === undefined ? {} : { from }),
    ...(domain === undefined ? {} : { domain }),
    ...(destination === undefined ? {} : { destination }),
    ...(queue === undefined ? {} : { queue }),
    ...(chosen === undefined ? {} : { states: chosen }),
    ...(olderThan === undefined ? {} : { acceptedBefore: now - olderThan }),
    ...(newerThan === undefined ? {} : { acceptedAfter: now - newerThan }),
    ...(attempts === undefined ? {} : { minAttempts: attempts }),
    ...(reply === undefined ? {} : { reply }),
  }
}

/** The terms that were given. */
export function givenTerms(query: Query): Term[] {
  return TERMS.filter(({ name }) => query[name] !== undefined)
}

/** Rejects ids that cannot be any, so that a slip is told before the queue is asked. */
export function checkIds(ids: readonly string[]): readonly string[] {
  const wrong = ids.find((id) => !/^[A-Za-z0-9_.-]{1,128}$/.test(id))
  if (wrong === undefined) return ids
  throw new QueryError(`"${wrong}" is no id, take one from \`waypost queue list\``)
}

/** A whole number, more than none. */
export function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new QueryError('Write a whole number from 1 on.')
  return Number(text)
}

/** Milliseconds. */
export function readTime(text: string): number {
  const time = parseDuration(text)
  if (time === undefined) throw new QueryError('Write a duration such as 30m, 2h or 5d.')
  return time
}

export function readText(text: string): string {
  return text
}

function readState(text: string): State {
  const state = STATES.find((name) => name === text)
  if (state === undefined) throw new QueryError(`States are ${STATES.join(', ')}.`)
  return state
}

function readWho(text: string): string {
  if (text === '<>' || text === '') return ''
  if (!text.includes('@')) return readDomain(text)
  const address = parseAddress(text)
  if (address === undefined)
    throw new QueryError('Write an address such as bo@far.example, or a domain.')
  return formatAddress(address)
}

function readDomain(text: string): string {
  const domain = parseDomain(text)
  if (domain === undefined) throw new QueryError('Write a domain such as far.example.')
  return domain
}
