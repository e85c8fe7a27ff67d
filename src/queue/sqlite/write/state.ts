// Small state beside the mail, in the transaction of whatever it rides with.

import { MOST_KEYS } from '../../../store/store.ts'
import type { StoreAnswer, StoreEntry } from '../../../store/store.ts'
import type { Store } from './store.ts'

export function applyEntries(store: Store, entries: readonly StoreEntry[]): StoreAnswer[] {
  return entries.map((entry) => applyEntry(store, entry))
}

function applyEntry(store: Store, entry: StoreEntry): StoreAnswer {
  const { key } = entry
  const found = read(store, key)
  switch (entry.kind) {
    case 'get':
      return found === undefined ? { done: false } : { done: true, value: found.value }
    case 'put':
      return write(store, key, entry.value, entry.until ?? null)
    case 'swap':
      if (found?.value !== entry.from)
        return found === undefined ? { done: false } : { done: false, value: found.value }
      if (entry.to === undefined) return { done: drop(store, key) || found === undefined }
      return write(store, key, entry.to, entry.until ?? null)
    case 'add':
      return add(store, entry, found)
    case 'drop':
      return { done: drop(store, key) && found !== undefined }
  }
}

interface Found {
  readonly value: string
  readonly until: number | null
}

function read({ sql, now }: Store, key: string): Found | undefined {
  type Row = readonly [value: string, until: number | null]
  const row = sql.stateOf.get(key) as unknown as Row | undefined
  if (row === undefined || (row[1] !== null && row[1] <= now)) return undefined
  return { value: row[0], until: row[1] }
}

function add(
  store: Store,
  { key, by, until }: Extract<StoreEntry, { kind: 'add' }>,
  found: Found | undefined,
): StoreAnswer {
  if (found === undefined) return write(store, key, String(by), until ?? null)
  const sum = /^-?\d{1,15}$/.test(found.value) ? Number(found.value) + by : NaN
  if (!Number.isSafeInteger(sum)) return { done: false, value: found.value }
  return write(store, key, String(sum), found.until)
}

function write(store: Store, key: string, value: string, until: number | null): StoreAnswer {
  const { sql, kept } = store
  if (sql.changeState.run(value, until, key).changes > 0) return { done: true, value }
  if (kept.keys >= MOST_KEYS) return { done: false }
  sql.addState.run(key, value, until)
  count(store, 1)
  return { done: true, value }
}

function drop(store: Store, key: string): boolean {
  const gone = Number(store.sql.dropState.run(key).changes)
  count(store, -gone)
  return gone > 0
}

/** What has had its time; whether there may be more. */
export function forgetState(store: Store, step: number): boolean {
  const gone = Number(store.sql.forgetState.run(store.now, step).changes)
  count(store, -gone)
  return gone === step
}

function count({ kept, undo }: Store, by: number): void {
  if (by === 0) return
  kept.keys += by
  undo.push(() => (kept.keys -= by))
}
