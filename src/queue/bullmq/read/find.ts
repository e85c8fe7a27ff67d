// Finding: which recipients fit a filter, newest first, page by page. Ids, a recipient's or a sender's
// address, and what is still queued have an index; all else is looked at message by message, in small
// pipelines that stop nobody.

import type { Redis } from 'ioredis'

import { formatAddress } from '../../../mail/address.ts'
import type { Destination } from '../../../mail/destination.ts'
import { isEnd } from '../../../mail/outcome.ts'
import type { NoticeFate, State } from '../../../mail/outcome.ts'
import { fitter, plainAddress } from '../../fits.ts'
import { formatId, numberAt } from '../../ids.ts'
import { parseScope } from '../../holds.ts'
import type { Entry, Filter, Held, Page } from '../../port/reader.ts'
import type { DeliveryId, MessageId } from '../../port/types.ts'
import { destinationOf } from '../link/keys.ts'
import { senderOf } from '../calls/rows.ts'
import type { DeliveryRow, MessageRow, RecipientRow } from '../calls/rows.ts'

export interface PageWish {
  readonly limit: number
  readonly cursor?: string | undefined
}

/** Messages read at once. */
const TOGETHER = 250
/** Messages looked at for one page. */
const SCANNED = 20_000
/** Mail is accepted after its id was given: a range of ids by age is that much wider. */
const SLACK = 3_600_000

/** A message with its recipients. */
export interface Found {
  readonly id: MessageId
  readonly entries: readonly Entry[]
}

export async function find(
  redis: Redis,
  prefix: string,
  filter: Filter,
  { limit, cursor }: PageWish,
): Promise<Page> {
  const fits = fitter(filter)
  const wanted = filter.ids === undefined ? undefined : new Set(filter.ids)
  const [top, below] = readCursor(cursor)
  const entries: Entry[] = []
  let scanned = 0
  for await (const ids of idsOf(redis, prefix, filter, top)) {
    for (const { id, alias, entries: all } of await readMessages(redis, prefix, ids)) {
      scanned++
      for (const entry of all.toReversed()) {
        if (id === top && entry.n >= below) continue
        if (wanted !== undefined && !isWanted(wanted, entry, alias)) continue
        if (fits({ ...entry, domain: domainOf(entry) })) entries.push(entry)
        if (entries.length === limit) return { entries, cursor: `${id}.${entry.n}`, scanned }
      }
      if (scanned >= SCANNED) return { entries, cursor: `${id}.0`, scanned }
    }
  }
  return { entries, scanned }
}

function domainOf({ to }: Entry): string {
  return to.slice(to.lastIndexOf('@') + 1)
}

function isWanted(wanted: ReadonlySet<string>, { id, delivery }: Entry, alias?: string): boolean {
  return wanted.has(id) || wanted.has(delivery) || (alias !== undefined && wanted.has(alias))
}

function readCursor(cursor: string | undefined): readonly [string, number] {
  if (cursor === undefined) return ['', 0]
  const match = /^([0-9a-z]{11,20})\.(\d{1,9})$/.exec(cursor)
  if (match === null)
    throw new Error(`Cannot read the page "${cursor}": it is no cursor that this queue gave`)
  return [match[1]!, Number(match[2])]
}

/** Ids of messages that may fit, the newest first, from the cursor's own on. */
async function* idsOf(
  redis: Redis,
  prefix: string,
  filter: Filter,
  top: string,
): AsyncGenerator<readonly MessageId[]> {
  const { ids, acceptedBefore, acceptedAfter } = filter
  if (ids !== undefined) return yield* byIds(redis, prefix, ids, top)
  const [keys, start] = indexesOf(filter)
  const newest = acceptedBefore === undefined ? '~' : formatId(numberAt(acceptedBefore))
  const oldest = acceptedAfter === undefined ? '' : formatId(numberAt(acceptedAfter - SLACK))
  let from = `(${start}${top !== '' && top < newest ? `${top}!` : newest}`
  for (;;) {
    const pages = await Promise.all(
      keys.map((key) =>
        redis.zrevrangebylex(`${prefix}/${key}`, from, `[${start}${oldest}`, 'LIMIT', 0, TOGETHER),
      ),
    )
    const page = merge(pages)
    if (page.length === 0) return
    yield page.map((member) => member.slice(start.length) as MessageId)
    from = `(${page.at(-1)}`
  }
}

/** The greatest members of all pages: as far down as each page is known to reach. */
function merge(pages: readonly (readonly string[])[]): string[] {
  if (pages.length === 1) return [...pages[0]!]
  const ends = pages.filter(({ length }) => length === TOGETHER).map((page) => page.at(-1)!)
  const lowest = ends.reduce((one, other) => (one > other ? one : other), '')
  const all = new Set(pages.flat().filter((member) => member >= lowest))
  return [...all].sort().reverse()
}

/** The narrowest index, and how its members begin before the id; or two that are all there is. */
function indexesOf({
  to,
  from,
  states,
}: Filter): readonly [keys: readonly string[], start: string] {
  if (to?.includes('@') === true) return [['to'], `${plainAddress(to)}\0`]
  if (from === '<>' || from === '' || from?.includes('@') === true)
    return [['from'], `${plainAddress(from)}\0`]
  return [states?.every((state) => !isEnd(state)) === true ? ['live'] : ['live', 'done'], '']
}

async function* byIds(
  redis: Redis,
  prefix: string,
  texts: readonly string[],
  top: string,
): AsyncGenerator<readonly MessageId[]> {
  const plain = texts.map((text) => text.replace(/-\d+$/, ''))
  const aliased =
    texts.length === 0 ? [] : await redis.mget(texts.map((id) => `${prefix}/alias/${id}`))
  const ids = new Set(plain.map((id, index) => aliased[index] ?? id))
  const sorted = [...ids]
    .filter((id) => top === '' || id <= top)
    .sort()
    .reverse()
  for (let at = 0; at < sorted.length; at += TOGETHER)
    yield sorted.slice(at, at + TOGETHER) as MessageId[]
}

interface ReadMessage extends Found {
  readonly alias?: string
}

/** The messages that are there, in this order, each with its recipients in theirs. */
export async function readMessages(
  redis: Redis,
  prefix: string,
  ids: readonly MessageId[],
): Promise<readonly ReadMessage[]> {
  const pipeline = redis.pipeline()
  for (const id of ids) pipeline.hgetall(`${prefix}/m/${id}`)
  const replies = (await pipeline.exec())!
  const hashes = ids.flatMap((id, index) => {
    const [error, hash] = replies[index]!
    if (error !== null) throw error
    const fields = hash as Record<string, string>
    return fields['m'] === undefined ? [] : [{ id, fields }]
  })
  const taken = await takenOf(redis, prefix, hashes)
  return hashes.map(({ id, fields }) => messageOf(id, fields, taken))
}

interface Hash {
  readonly id: MessageId
  readonly fields: Readonly<Record<string, string>>
}

async function takenOf(
  redis: Redis,
  prefix: string,
  hashes: readonly Hash[],
): Promise<ReadonlySet<string>> {
  const live = hashes.flatMap(({ id, fields }) =>
    Object.keys(fields)
      .filter((name) => /^d\d+$/.test(name))
      .map((name) => `${id}-${name.slice(1)}`),
  )
  if (live.length === 0) return new Set()
  const holders = await redis.hmget(`${prefix}/taken`, ...live)
  return new Set(live.filter((_, index) => holders[index] !== null))
}

export function messageOf(
  id: MessageId,
  fields: Hash['fields'],
  taken: ReadonlySet<string>,
): ReadMessage {
  const { at, size, env } = JSON.parse(fields['m']!) as MessageRow
  const places = placesOf(fields)
  const about = {
    id,
    from: senderOf(env),
    acceptedAt: at,
    size,
  }
  const entries = env.recipients.map(({ address }, n): Entry => {
    const text = fields[`r${n}`]
    const row = text === undefined ? undefined : (JSON.parse(text) as RecipientRow)
    const to = formatAddress(address)
    if (row?.e !== undefined) return { ...about, to, n, ...endedPart(id, row) }
    return { ...about, to, n, ...livePart(id, places.get(n), row, taken) }
  })
  const { alias } = fields
  return { id, entries, ...(alias === undefined ? {} : { alias }) }
}

interface Place {
  readonly n: number
  readonly delivery: DeliveryRow
}

/** Where each recipient waits. */
function placesOf(fields: Hash['fields']): Map<number, Place> {
  const places = new Map<number, Place>()
  for (const [name, text] of Object.entries(fields)) {
    if (!/^d\d+$/.test(name)) continue
    const delivery = JSON.parse(text) as DeliveryRow
    for (const r of delivery.r) places.set(r, { n: Number(name.slice(1)), delivery })
  }
  return places
}

function endedPart(id: MessageId, row: RecipientRow) {
  const { d, a, re, e, at, no, to, q } = row
  return {
    delivery: `${id}-${d}` as DeliveryId,
    state: e as State,
    queue: q ?? '',
    destination: to ?? ('' as Destination),
    attempts: a,
    ...(at === undefined ? {} : { endedAt: at }),
    ...(re === undefined ? {} : { reply: re }),
    ...(no === undefined ? {} : { notice: no as NoticeFate }),
  }
}

function livePart(
  id: MessageId,
  place: Place | undefined,
  row: RecipientRow | undefined,
  taken: ReadonlySet<string>,
) {
  const { n = 1, delivery } = place ?? {}
  const isSending = taken.has(`${id}-${n}`)
  const isHeld = delivery?.s === 2
  const state: State = isSending ? 'sending' : isHeld ? 'held' : 'waiting'
  const isRefused = state === 'waiting' && delivery?.s === 3
  const due = row?.due ?? delivery?.due
  return {
    delivery: `${id}-${n}` as DeliveryId,
    state,
    queue: delivery?.q ?? '',
    destination: delivery?.to ?? destinationOf(''),
    attempts: row?.a ?? 0,
    ...(isHeld || isRefused || due === undefined ? {} : { next: due }),
    ...(row?.re === undefined ? {} : { reply: row.re }),
    ...(isHeld && delivery?.hold !== undefined ? { held: heldOf(delivery) } : {}),
    ...(isRefused && delivery.hold !== undefined ? { refused: delivery.hold } : {}),
  }
}

function heldOf({ hold, scope }: DeliveryRow): Held {
  const { who, why, at } = hold!
  return {
    who,
    why,
    ...(scope === undefined || scope === 'ids' ? {} : { scope: parseScope(scope) }),
    ...(at === undefined ? {} : { since: at }),
  }
}
