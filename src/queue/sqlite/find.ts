// Finding: which recipients fit a filter, newest first, page by page. One index leads; whatever
// else the filter asks is looked at row by row, a bounded number of rows a page.

import type { DatabaseSync } from 'node:sqlite'

import type { Destination } from '../../mail/destination.ts'
import { ENDS } from '../../mail/outcome.ts'
import type { State } from '../../mail/outcome.ts'
import { fitter } from '../fits.ts'
import type { Subject } from '../fits.ts'
import { formatDeliveryId, formatId, numberAt, parseId, splitId } from '../ids.ts'
import { parseScope } from '../holds.ts'
import type { HoldNote } from '../holds.ts'
import type { Entry, Filter, Held, OperatorAct, Page } from '../port.ts'
import { driverOf } from './driver.ts'
import { FATES } from './wire.ts'

/** Rows looked at for one page. */
const SCANNED = 20_000
/** Mail is accepted after its id was given: an index range by age is that much wider. */
const SLACK = 3_600_000

export type EntryRow = readonly [
  message: number,
  n: number,
  delivery: number,
  sender: string,
  address: string,
  domain: string,
  queue: string,
  destination: string,
  at: number,
  ended: number | null,
  endedAt: number | null,
  attempts: number,
  due: number,
  reply: string | null,
  size: number,
  notice: number | null,
  state: number | null,
  hold: string | null,
  scope: string | null,
]

export const ENTRY_COLUMNS = `r.message, r.n, r.delivery, m.sender, r.address, r.domain, r.queue,
  coalesce(r.destination, r.domain), m.at, r.ended, r.ended_at, r.attempts, r.due, r.reply, m.size,
  r.notice, d.state, d.hold, d.scope`

export interface Found {
  readonly rows: readonly EntryRow[]
  readonly cursor: string | undefined
  readonly scanned: number
}

export interface PageWish {
  readonly limit: number
  readonly cursor?: string | undefined
}

export function find(db: DatabaseSync, filter: Filter, page: PageWish): Page {
  const { rows, cursor, scanned } = findRows(db, filter, page)
  const entries = rows.map(entryOf)
  return { entries, scanned, ...(cursor === undefined ? {} : { cursor }) }
}

export function findRows(db: DatabaseSync, filter: Filter, page: PageWish): Found {
  const driver = driverOf(db, filter)
  const [top, below] = readCursor(page.cursor)
  const newest = Math.min(top, rangeEnd(filter.acceptedBefore))
  const oldest = filter.acceptedAfter === undefined ? 0 : numberAt(filter.acceptedAfter - SLACK)
  const statement = db.prepare(driver.text)
  statement.setReturnArrays(true)
  const fits = rowFitter(filter, driver.numbers)
  const rows: EntryRow[] = []
  let scanned = 0
  for (const found of statement.iterate(...driver.values, newest, oldest)) {
    const row = found as unknown as EntryRow
    if (row[0] === top && row[1] >= below) continue
    scanned++
    if (fits(row)) rows.push(row)
    if (rows.length === page.limit || scanned === SCANNED)
      return { rows, cursor: `${formatId(row[0])}.${row[1]}`, scanned }
  }
  return { rows, cursor: undefined, scanned }
}

function rangeEnd(before: number | undefined): number {
  return before === undefined ? Number.MAX_SAFE_INTEGER : numberAt(before)
}

function readCursor(cursor: string | undefined): readonly [number, number] {
  if (cursor === undefined) return [Number.MAX_SAFE_INTEGER, 0]
  const [id = '', n] = cursor.split('.')
  const number = parseId(id)
  if (number === undefined || n === undefined || !/^\d{1,9}$/.test(n))
    throw new Error(`Cannot read the page "${cursor}": it is no cursor that this queue gave`)
  return [number, Number(n)]
}

/** What the filter asks of a row, the ids included. */
function rowFitter(
  filter: Filter,
  numbers: ReadonlySet<string> | undefined,
): (row: EntryRow) => boolean {
  const fits = fitter(filter)
  if (numbers === undefined) return (row) => fits(subjectOf(row))
  const isMeant = ([message, , delivery]: EntryRow): boolean =>
    numbers.has(`${message}`) || numbers.has(`${message}-${delivery}`)
  return (row) => isMeant(row) && fits(subjectOf(row))
}

function subjectOf(row: EntryRow): Subject {
  const [, , , from, to, domain, queue, destination, acceptedAt, , , attempts, , reply] = row
  const state = stateOf(row)
  return { from, to, domain, queue, destination, state, acceptedAt, attempts, reply }
}

export function stateOf(row: EntryRow): State {
  const [ended, state] = [row[9], row[16]]
  if (ended !== null) return ENDS[ended]!
  return state === 2 ? 'held' : state === 1 || state === 4 ? 'sending' : 'waiting'
}

export function entryOf(row: EntryRow): Entry {
  const [message, n, delivery, from, to, , queue, destination, acceptedAt] = row
  const [endedAt, attempts, due, reply, size, notice, , hold, scope] = row.slice(10) as Tail
  const state = stateOf(row)
  const isRefused = state === 'waiting' && scope === 'refuse'
  const waits = (state === 'waiting' && !isRefused) || state === 'sending'
  return {
    id: formatId(message),
    delivery: formatDeliveryId(message, delivery),
    n,
    state,
    from,
    to,
    queue,
    destination: destination as Destination,
    acceptedAt,
    attempts,
    size,
    ...(endedAt === null ? {} : { endedAt }),
    ...(waits ? { next: due } : {}),
    ...(reply === null ? {} : { reply }),
    ...(notice === null ? {} : { notice: FATES[notice]! }),
    ...(state === 'held' && hold !== null ? { held: heldOf(hold, scope) } : {}),
    ...(isRefused ? { refused: refusedOf(hold!) } : {}),
  }
}

function heldOf(hold: string, scope: string | null): Held {
  const { who, why, at } = JSON.parse(hold) as HoldNote
  return {
    who,
    why,
    ...(scope === null || scope === 'ids' ? {} : { scope: parseScope(scope) }),
    ...(at === undefined ? {} : { since: at }),
  }
}

function refusedOf(hold: string): OperatorAct {
  const { who, why } = JSON.parse(hold) as OperatorAct
  return { who, why }
}

type Tail = [
  number | null,
  number,
  number,
  string | null,
  number,
  number | null,
  number | null,
  string | null,
  string | null,
]

/** Numbers of messages and deliveries, as `fitter` compares them, from ids as people write them. */
export function numbersOf(db: DatabaseSync, ids: readonly string[]): Map<number, Set<string>> {
  const alias = db.prepare('SELECT id FROM message WHERE alias = ?')
  const numbers = new Map<number, Set<string>>()
  for (const id of ids) {
    const { message, n } = alias.get(id) === undefined ? splitId(id) : { message: id, n: undefined }
    const number = parseId(message) ?? (alias.get(message)?.['id'] as number | undefined)
    if (number === undefined) continue
    const names = numbers.get(number) ?? new Set()
    numbers.set(number, names.add(n === undefined ? `${number}` : `${number}-${n}`))
  }
  return numbers
}
