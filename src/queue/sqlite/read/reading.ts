// What can be read of the store, on a connection of its own: while the relay writes, and when
// it is down. Nothing here writes, and no file is ever created.

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

import type { Destination } from '../../../mail/destination.ts'
import type { Envelope } from '../../../mail/envelope.ts'
import type { Cause } from '../../../mail/outcome.ts'
import { acceptedFact } from '../../events.ts'
import type { AcceptedDelivery } from '../../events.ts'
import { formatId } from '../../ids.ts'
import { parseScope, underHolds } from '../../holds.ts'
import type { Fact } from '../../port/history.ts'
import type { Entry, Filter, Page, StandingHold, Suspension, Trace } from '../../port/reader.ts'
import type { MessageId } from '../../port/types.ts'
import { ENTRY_COLUMNS, entryOf } from './entry.ts'
import type { EntryRow } from './entry.ts'
import { find } from './find.ts'
import type { PageWish } from './find.ts'
import { numbersOf } from './numbers.ts'
import { checkLibrary, checkVersion, FILE, named, schemaVersion } from '../schema/schema.ts'

/**
 * Opens the store for reading; refuses the folder of another user. `running`: the relay is sure to
 * have it open. Else the view may be of that moment only, when nobody has.
 */
export function openForReading(folder: string, running = false): DatabaseSync {
  const path = join(folder, FILE)
  checkOwner(folder)
  if (!existsSync(path)) throw new Error(`Cannot read the queue: there is no "${path}"`)
  const url = pathToFileURL(path)
  // Without its log nobody writes: SQLite must then not look for one, or it would create it.
  if (!running && !existsSync(`${path}-wal`)) url.search = '?immutable=1'
  try {
    return openUrl(url)
  } catch (error) {
    throw named(path, error)
  }
}

function openUrl(url: URL): DatabaseSync {
  const db = new DatabaseSync(url, { readOnly: true, timeout: 2000 })
  checkLibrary(db)
  db.exec('PRAGMA temp_store = MEMORY')
  checkVersion(schemaVersion(db))
  return db
}

function checkOwner(folder: string): void {
  if (!existsSync(folder)) throw new Error(`Cannot read the queue: there is no folder "${folder}"`)
  const { uid } = statSync(folder)
  const mine = process.getuid?.()
  if (mine !== undefined && uid !== mine)
    throw new Error(
      `Cannot read the queue in "${folder}": user id ${mine} asks, and it belongs to ${uid}; run this as its owner`,
    )
}

export type MessageRow = [id: number, at: number, envelope: string, deliveries: string]

export function readTrace(db: DatabaseSync, text: string, now: number): Trace | undefined {
  const [id] = numbersOf(db, [text]).keys()
  if (id === undefined) return undefined
  const found = rowsOf(db, 'SELECT id, at, envelope, deliveries FROM message WHERE id = ?', id)
  if (found.length === 0) return undefined
  const facts = rowsOf(db, 'SELECT body FROM fact WHERE message = ? ORDER BY seq', id)
  const entries = readEntries(db, id)
  const lanes = new Set(entries.filter(({ next }) => next !== undefined).map((e) => e.destination))
  return {
    id: formatId(id),
    facts: [
      factOf(found[0] as unknown as MessageRow),
      ...facts.map(([body]) => withKnownIds(db, JSON.parse(body as string) as Fact)),
    ],
    entries,
    suspended: readSuspensions(db, now).filter(({ lane }) => lanes.has(lane)),
  }
}

export function factOf([id, at, envelope, deliveries]: MessageRow): Fact {
  const told = JSON.parse(deliveries) as AcceptedDelivery[]
  return acceptedFact(formatId(id), { at, envelope: JSON.parse(envelope) as Envelope }, told)
}

/** Notices were handed in under derived ids; they are told by the ids that they have here. */
export function withKnownIds(db: DatabaseSync, fact: Fact): Fact {
  if (fact.kind !== 'settled' || fact.notices === undefined) return fact
  const notices = fact.notices.map((id) => {
    const [number] = numbersOf(db, [id]).keys()
    return number === undefined ? id : formatId(number)
  })
  return { ...fact, notices }
}

/** Recipients that fit, with the holds that lie on them. */
export function readPage(db: DatabaseSync, filter: Filter, wish: PageWish): Page {
  const page = find(db, filter, wish)
  return { ...page, entries: underHolds(page.entries, readHolds(db)) }
}

function readEntries(db: DatabaseSync, id: number): Entry[] {
  const text = `SELECT ${ENTRY_COLUMNS} FROM recipient r JOIN message m ON m.id = r.message
    LEFT JOIN delivery d ON d.message = r.message AND d.n = r.delivery AND r.ended IS NULL
    WHERE r.message = ? ORDER BY r.n`
  const entries = rowsOf(db, text, id).map((row) => entryOf(row as unknown as EntryRow))
  return underHolds(entries, readHolds(db))
}

export function readSuspensions(db: DatabaseSync, now: number): Suspension[] {
  // All columns: a store that no relay of today has opened yet lacks the last two.
  const text = 'SELECT * FROM suspension WHERE until > ? ORDER BY lane'
  type Row = [Destination, site: string | null, until: number, reason: string, number?, Cause?]
  return (rowsOf(db, text, now) as unknown as Row[]).map(
    ([lane, site, until, reason, since = 0, cause = 'other']) => ({
      lane,
      until,
      reason,
      cause,
      since,
      ...(site === null ? {} : { site }),
    }),
  )
}

export function readHolds(db: DatabaseSync): StandingHold[] {
  const text = 'SELECT scope, who, why, at FROM hold ORDER BY at'
  type Row = [scope: string, who: string, why: string, at: number]
  return (rowsOf(db, text) as unknown as Row[]).map(([scope, who, why, at]) => ({
    scope: parseScope(scope),
    who,
    why,
    at,
  }))
}

/** Small content of a message, while it is kept. */
export function readBytes(db: DatabaseSync, id: MessageId | string): Uint8Array | undefined {
  const [number] = numbersOf(db, [id]).keys()
  const found = rowsOf(db, 'SELECT bytes FROM content WHERE message = ?', number ?? -1)
  return found[0]?.[0] as Uint8Array | undefined
}

/** Bytes that the store uses, and about how many of them the history is. */
export function readSizes(db: DatabaseSync): { readonly used: number; readonly live: number } {
  const pages = Number(pragma(db, 'page_count')) - Number(pragma(db, 'freelist_count'))
  const used = pages * Number(pragma(db, 'page_size'))
  const text = `SELECT coalesce(sum(m.size + 1000), 0) FROM delivery d
    JOIN message m ON m.id = d.message WHERE m.large IS NULL`
  return { used, live: Number(rowsOf(db, text)[0]![0]) }
}

function pragma(db: DatabaseSync, name: string): unknown {
  return rowsOf(db, `PRAGMA ${name}`)[0]?.[0]
}

type Value = string | number | Uint8Array | null

export function rowsOf(db: DatabaseSync, text: string, ...values: (string | number)[]): Value[][] {
  const statement = db.prepare(text)
  statement.setReturnArrays(true)
  return statement.all(...values) as unknown as Value[][]
}
