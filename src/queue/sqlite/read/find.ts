// Finding: which recipients fit a filter, newest first, page by page. One index leads; whatever
// else the filter asks is looked at row by row, a bounded number of rows a page.

import type { DatabaseSync } from 'node:sqlite'

import { fitter } from '../../fits.ts'
import type { Subject } from '../../fits.ts'
import { formatId, numberAt, parseId } from '../../ids.ts'
import type { Filter, Page } from '../../port/reader.ts'
import { driverOf } from './driver.ts'
import { entryOf, stateOf } from './entry.ts'
import type { EntryRow } from './entry.ts'

/** Rows looked at for one page. */
const SCANNED = 20_000
/** Mail is accepted after its id was given: an index range by age is that much wider. */
const SLACK = 3_600_000

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
