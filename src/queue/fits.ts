// Whether a recipient fits a filter: all that is asked is checked here, whatever an index has made
// sure of. Ids are the engines' own matter.

import { STATES } from '../mail/outcome.ts'
import type { State } from '../mail/outcome.ts'
import type { Filter } from './port/reader.ts'

/** What a filter can ask of a recipient. */
export interface Subject {
  readonly from: string
  readonly to: string
  readonly domain: string
  readonly queue: string
  readonly destination: string
  readonly state: State
  readonly acceptedAt: number
  readonly attempts: number
  readonly reply?: string | null | undefined
}

export type Fits = (subject: Subject) => boolean

export function fitter(filter: Filter): Fits {
  const tests: Fits[] = []
  const { to, from, domain, destination, queue, states, reply } = filter
  const { acceptedBefore, acceptedAfter, minAttempts } = filter
  if (to !== undefined) tests.push(addressTest(to, (subject) => subject.to))
  if (from !== undefined) tests.push(addressTest(from, (subject) => subject.from))
  if (domain !== undefined) tests.push((subject) => subject.domain === domain.toLowerCase())
  if (destination !== undefined) tests.push((subject) => subject.destination === destination)
  if (queue !== undefined) tests.push((subject) => subject.queue === queue)
  if (states !== undefined) tests.push((subject) => states.includes(subject.state))
  if (acceptedBefore !== undefined) tests.push(({ acceptedAt }) => acceptedAt < acceptedBefore)
  if (acceptedAfter !== undefined) tests.push(({ acceptedAt }) => acceptedAt > acceptedAfter)
  if (minAttempts !== undefined) tests.push(({ attempts }) => attempts >= minAttempts)
  if (reply !== undefined) tests.push(replyTest(reply.toLowerCase()))
  return (subject) => tests.every((test) => test(subject))
}

function addressTest(wish: string, of: (subject: Subject) => string): Fits {
  const text = plainAddress(wish)
  if (text === '' || text.includes('@')) return (subject) => of(subject) === text
  return (subject) => of(subject).endsWith(`@${text}`)
}

function replyTest(part: string): Fits {
  return ({ reply }) => reply?.toLowerCase().includes(part) ?? false
}

/** Local parts keep their case, domains have none; `<>` is the null sender. */
export function plainAddress(wish: string): string {
  if (wish === '<>') return ''
  const at = wish.lastIndexOf('@')
  return wish.slice(0, at + 1) + wish.slice(at + 1).toLowerCase()
}

/** The filter in words, for the log. */
export function describeFilter(filter: Filter): string {
  const words = Object.entries(filter).map(
    ([name, value]) => `${WORDS[name as keyof Filter]} ${wordOf(name, value)}`,
  )
  return words.length === 0 ? 'everything' : words.join(', ')
}

const WORDS: Readonly<Record<keyof Filter, string>> = {
  ids: 'id',
  to: 'to',
  from: 'from',
  domain: 'domain',
  destination: 'destination',
  queue: 'queue',
  states: 'state',
  acceptedBefore: 'accepted before',
  acceptedAfter: 'accepted after',
  minAttempts: 'attempts at least',
  reply: 'reply with',
}

function wordOf(name: string, value: Filter[keyof Filter]): string {
  if (name.startsWith('accepted')) return new Date(Number(value)).toISOString()
  if (!Array.isArray(value)) return value === '' ? '<>' : String(value)
  const more = value.length > 3 ? ` and ${value.length - 3} more` : ''
  return `${value.slice(0, 3).join(' ')}${more}`
}

/** The states that have no end. */
export const LIVE: readonly State[] = STATES.slice(0, 3)
