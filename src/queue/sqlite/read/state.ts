// Small state beside the mail, as it is read.

import type { DatabaseSync } from 'node:sqlite'

import { endOf } from '../../../store/store.ts'
import type { StoreRow } from '../../../store/store.ts'
import { rowsOf } from './reading.ts'

export function readState(
  db: DatabaseSync,
  prefix: string,
  after: string | undefined,
  limit: number,
  now: number,
): StoreRow[] {
  const text = `SELECT key, value FROM state WHERE key >= ? AND key > ? AND key < ?
    AND (until IS NULL OR until > ?) ORDER BY key LIMIT ?`
  return rowsOf(db, text, prefix, after ?? '', endOf(prefix), now, limit).map(([key, value]) => {
    return { key: String(key), value: String(value) }
  })
}
