// The order over all facts. Each has a number, given within its transaction, so that whoever reads behind
// a number never misses one that commits later. What a transaction has recorded is one row.

import type { DatabaseSync } from 'node:sqlite'

import { lastOf, NONE, PER_MILLISECOND } from '../schema/numbers.ts'
import type { ChangeRow } from '../schema/numbers.ts'
import type { Statements } from '../schema/statements.ts'

/** Rows that one step forgets. */
const STEP = 500

export interface Changes {
  /** The number of the last fact that is committed. */
  last: number
  /** Messages that have a fact in this transaction, in order; the first of these facts has the number `first`. */
  readonly messages: number[]
  first: number
}

/** What is open: see `Store`. */
interface Recording {
  readonly db: DatabaseSync
  readonly sql: Statements
  readonly changes: Changes
  readonly now: number
}

export function createChanges(): Changes {
  return { last: 0, messages: [], first: 0 }
}

export function loadChanges({ sql, changes }: Recording): void {
  changes.last = lastOf(sql.lastChange.get() as unknown as ChangeRow | undefined)
}

/** A message has one fact more: its number. */
export function addChange({ changes, now }: Recording, message: number): number {
  const { messages, last } = changes
  if (messages.length === 0) changes.first = Math.max(last + 1, now * PER_MILLISECOND)
  return changes.first + messages.push(message) - 1
}

export function addFact(store: Recording, message: number, fact: object | string): void {
  const text = typeof fact === 'string' ? fact : JSON.stringify(fact)
  store.sql.addFact.run(message, addChange(store, message), text)
}

/** Ends the transaction with what it has recorded. */
export function commit(store: Recording): void {
  const { db, sql, changes } = store
  const { messages, first } = changes
  if (messages.length > 0) sql.addChange.run(first, JSON.stringify(messages))
  db.exec('COMMIT')
  if (messages.length > 0) changes.last = first + messages.length - 1
  messages.length = 0
}

/** Forgets one step of the order up to that time; whether there may be more. */
export function forgetChanges({ sql }: Recording, before: number): boolean {
  const limit = before * PER_MILLISECOND
  const row = sql.lastChangeOf.get(limit, STEP) as unknown as ChangeRow | undefined
  if (row === undefined || row[1] === NONE) return false
  sql.forgetChanges.run(row[0])
  sql.addChange.run(lastOf(row), NONE)
  return true
}
