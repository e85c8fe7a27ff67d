// What has happened since, in the order over all facts: a stream with one entry a call, which names the messages
// that have a fact more; each fact is with its message, named after the entry and its place there.

import type { Redis } from 'ioredis'

import type { Change, Changes, Fact, Since } from '../../port/history.ts'
import type { MessageId } from '../../port/types.ts'
import { factOfMessage, withKnownIds } from './facts.ts'

/** Facts looked at for one of a page: of mail that was forgotten or taken back nothing is told. */
const LOOKED = 10
/** Ids of messages have one length; a mark follows: "+" accepted, "." a fact of its own. */
const ID = 14

/** Where a fact stands: the two numbers of its entry, and its place there. */
type Place = readonly [time: number, number: number, at: number]

const START: Place = [0, 0, -1]

export async function readChanges(
  redis: Redis,
  prefix: string,
  since: Since,
  count: number,
): Promise<Changes> {
  if (since === 'newest')
    return { kind: 'changes', changes: [], cursor: await newest(redis, prefix) }
  const gone = await goneIn(redis, prefix)
  let place = since === 'oldest' ? gone : parsePlace(since.cursor)
  if (isBefore(place, gone)) return { kind: 'gone', oldest: formatPlace(gone) }
  const changes: Change[] = []
  for (let looked = 0; changes.length < count && looked < count * LOOKED;) {
    const found = await factsAfter(redis, prefix, place, count - changes.length)
    if (found.length === 0) break
    looked += found.length
    place = found.at(-1)!.place
    changes.push(...(await changesOf(redis, prefix, found)))
  }
  return { kind: 'changes', changes, cursor: formatPlace(place) }
}

async function newest(redis: Redis, prefix: string): Promise<string> {
  const [last] = (await redis.xrevrange(`${prefix}/changes`, '+', '-', 'COUNT', 1)) as Entries
  return formatPlace(last === undefined ? await goneIn(redis, prefix) : lastOf(last))
}

/** The last fact that is kept no more. */
async function goneIn(redis: Redis, prefix: string): Promise<Place> {
  const text = await redis.get(`${prefix}/changes-gone`)
  return text === null ? START : parsePlace(text)
}

/** An entry: its id, and one field with the messages. */
type Entries = readonly (readonly [id: string, fields: readonly string[]])[]

function lastOf([id, fields]: Entries[number]): Place {
  return parsePlace(`${id}.${fields[1]!.length / (ID + 1) - 1}`)
}

interface Named {
  readonly place: Place
  readonly message: MessageId
  readonly isAccepted: boolean
}

/** At most so many, from behind the place on. */
async function factsAfter(
  redis: Redis,
  prefix: string,
  after: Place,
  count: number,
): Promise<Named[]> {
  const [time, number, at] = after
  const from = `${time}-${number}`
  // The entry that the place is in may have more.
  const entries = await redis.xrange(`${prefix}/changes`, from, '+', 'COUNT', count + 1)
  const found: Named[] = []
  for (const [id, [, names = '']] of entries)
    for (let n = id === from ? at + 1 : 0; n * (ID + 1) < names.length; n++) {
      if (found.length === count) return found
      const name = names.slice(n * (ID + 1), (n + 1) * (ID + 1))
      const message = name.slice(0, ID) as MessageId
      found.push({ place: parsePlace(`${id}.${n}`), message, isAccepted: name[ID] === '+' })
    }
  return found
}

async function changesOf(redis: Redis, prefix: string, found: readonly Named[]): Promise<Change[]> {
  const pipeline = redis.pipeline()
  for (const { message, place, isAccepted } of found)
    pipeline.hget(`${prefix}/m/${message}`, isAccepted ? 'm' : `f${place.join('.')}`)
  const texts = (await pipeline.exec())!
  const facts = found.map(({ message, isAccepted }, n): Fact | undefined => {
    const [error, text] = texts[n]!
    if (error !== null) throw error
    if (typeof text !== 'string') return undefined
    return isAccepted ? factOfMessage(message, text) : (JSON.parse(text) as Fact)
  })
  const told = await withKnownIds(redis, prefix, facts)
  return found.flatMap(({ message, place }, n) => {
    const fact = told[n]
    return fact === undefined ? [] : [{ message, fact, cursor: formatPlace(place) }]
  })
}

function parsePlace(text: string): Place {
  const found = /^(\d{1,15})-(\d{1,9})\.(-1|\d{1,6})$/.exec(text)
  if (found === null) throw new Error(`"${text}" is no cursor of this history`)
  return [Number(found[1]), Number(found[2]), Number(found[3])]
}

function formatPlace([time, number, at]: Place): string {
  return `${time}-${number}.${at}`
}

function isBefore(one: Place, other: Place): boolean {
  const n = one.findIndex((value, index) => value !== other[index])
  return n >= 0 && one[n]! < other[n]!
}
