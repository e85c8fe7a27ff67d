// One data folder, one relay. The lock is SQLite's own, a write transaction that stays open, so
// the kernel ends it with the process; who holds it can be read beside it.

import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { keepPrivate } from '../../../base/folder.ts'

/** SQLite's result where somebody else has the lock. */
const BUSY = 5

/** Throws when another relay has the folder, and says which. */
export function lockFolder(folder: string, now: number): Disposable {
  const path = join(folder, 'lock.db')
  keepPrivate(path)
  const db = new DatabaseSync(path, { timeout: 500 })
  try {
    begin(db, folder)
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER, host TEXT, since INTEGER)')
    db.exec('DELETE FROM holder')
    db.prepare('INSERT INTO holder VALUES (?, ?, ?)').run(process.pid, hostname(), now)
    db.exec('COMMIT')
    begin(db, folder)
  } catch (error) {
    db.close()
    throw error
  }
  return { [Symbol.dispose]: () => db.close() }
}

function begin(db: DatabaseSync, folder: string): void {
  try {
    db.exec('BEGIN IMMEDIATE')
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode !== BUSY)
      throw new Error(`Cannot use "${join(folder, 'lock.db')}": ${(cause as Error).message}`, {
        cause,
      })
    throw new Error(`Cannot use the data folder "${folder}": ${holder(db)} holds it`, { cause })
  }
}

function holder(db: DatabaseSync): string {
  try {
    const row = db.prepare('SELECT pid, host, since FROM holder').get()
    if (row === undefined) return 'another relay'
    const since = new Date(Number(row['since'])).toISOString()
    return `the relay with process id ${Number(row['pid'])} on ${String(row['host'])}, started ${since},`
  } catch {
    return 'another relay'
  }
}
