// What has happened since, in the order over all facts. Each page is a few look-ups along the row keys.

import type { DatabaseSync, StatementSync } from 'node:sqlite'

import { formatId } from '../../ids.ts'
import type { Change, Changes, Fact, Since } from '../../port/history.ts'
import { lastOf, NONE } from '../schema/numbers.ts'
import type { ChangeRow } from '../schema/numbers.ts'
import { factOf, withKnownIds } from './reading.ts'
import type { MessageRow } from './reading.ts'

/** Facts looked at for one of a page: of mail that was forgotten or taken back nothing is told. */
const LOOKED = 10

export type ReadChanges = (since: Since, count: number) => Changes

/** Statements are prepared once: whoever reads from the start asks for many pages. */
export function changesOf(db: DatabaseSync): ReadChanges {
  const sql = prepare(db)
  if (sql === undefined) return () => ({ kind: 'changes', changes: [], cursor: formatCursor(0) })
  return (since, count) => {
    const gone = goneIn(sql)
    const after = numberOf(sql, since, gone)
    if (after < gone) return { kind: 'gone', oldest: formatCursor(gone) }
    const changes: Change[] = []
    let [last, looked] = [after, 0]
    for (const [number, message] of factsAfter(sql, after)) {
      if (changes.length === count || looked++ === count * LOOKED) break
      last = number
      const fact = factAt(db, sql, message, number)
      const cursor = formatCursor(number)
      if (fact !== undefined) changes.push({ message: formatId(message), fact, cursor })
    }
    return { kind: 'changes', changes, cursor: formatCursor(last) }
  }
}

type Prepared = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>

const STATEMENTS = {
  first: 'SELECT first, messages FROM change ORDER BY first LIMIT 1',
  last: 'SELECT first, messages FROM change ORDER BY first DESC LIMIT 1',
  from: `SELECT first, messages FROM change
    WHERE first >= coalesce((SELECT max(first) FROM change WHERE first <= ?), 0) ORDER BY first`,
  body: 'SELECT body FROM fact WHERE message = ? AND seq = ?',
  message: 'SELECT id, at, envelope, deliveries FROM message WHERE id = ?',
} as const

/** Nothing where no relay of today has opened the store yet. */
function prepare(db: DatabaseSync): Prepared | undefined {
  const known = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'change'`).get()
  if (known === undefined) return undefined
  const entries = Object.entries(STATEMENTS).map(([name, text]) => {
    const statement = db.prepare(text)
    statement.setReturnArrays(true)
    return [name, statement] as const
  })
  return Object.fromEntries(entries) as Prepared
}

/** The number of the last fact that is kept no more. */
function goneIn({ first }: Prepared): number {
  const row = first.get() as unknown as ChangeRow | undefined
  return row?.[1] === NONE ? row[0] : 0
}

/** Facts behind this one are asked for. */
function numberOf({ last }: Prepared, since: Since, gone: number): number {
  if (since === 'oldest') return gone
  if (since === 'newest') return lastOf(last.get() as unknown as ChangeRow | undefined)
  const number = /^[0-9a-z]{1,11}$/.test(since.cursor) ? parseInt(since.cursor, 36) : NaN
  if (!Number.isSafeInteger(number))
    throw new Error(`"${since.cursor}" is no cursor of this history`)
  return number
}

function formatCursor(number: number): string {
  return number.toString(36)
}

function* factsAfter(
  { from }: Prepared,
  after: number,
): Generator<readonly [number: number, message: number]> {
  for (const row of from.iterate(after)) {
    const [first, messages] = row as unknown as ChangeRow
    for (const [index, message] of (JSON.parse(messages) as number[]).entries())
      if (first + index > after) yield [first + index, message]
  }
}

function factAt(
  db: DatabaseSync,
  sql: Prepared,
  message: number,
  number: number,
): Fact | undefined {
  const fact = sql.body.get(message, number) as unknown as [string] | undefined
  if (fact !== undefined) return withKnownIds(db, JSON.parse(fact[0]) as Fact)
  const row = sql.message.get(message) as unknown as MessageRow | undefined
  return row === undefined ? undefined : factOf(row)
}
