// A copy of the whole store in one file: read beside the relay, and written by whoever wants it, so that
// it is where he says and his. It appears whole and on disk, for its owner alone, or not at all.

import { constants } from 'node:fs'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'

import { addChunks } from '../schema/chunks.ts'
import { openForReading } from './reading.ts'

export interface CopyWish {
  /** The data folder; no content may go from it meanwhile. */
  readonly folder: string
  readonly path: string
  /** The relay has it open. */
  readonly running: boolean
  readonly signal: AbortSignal
  /** Told now and then: bytes written, of about so many in all. */
  readonly progress: (done: number, all: number) => void
}

/** Bytes copied in one turn. */
const TURN = 4 * 1024 * 1024

export async function copyStore(wish: CopyWish): Promise<void> {
  const part = `${wish.path}.part`
  await rm(part, { force: true })
  await createFile(part)
  try {
    await fill(part, wish)
    await syncFile(part)
    await appear(part, wish.path)
    await syncFile(dirname(wish.path)) // the new name is data of the folder
  } finally {
    await rm(part, { force: true })
  }
}

// Nobody's file or link is ever written to, and no umask decides who may read.
async function createFile(path: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.chmod(0o600)
}

async function fill(part: string, wish: CopyWish): Promise<void> {
  using source = openForReading(wish.folder, wish.running)
  using copy = new DatabaseSync(part)
  // What breaks off is thrown away: no journal, and one sync at the end.
  copy.exec(
    'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; BEGIN',
  )
  source.exec('BEGIN')
  const took = pacer(wish, bytesOf(source))
  const version = source.prepare('PRAGMA user_version').get()?.['user_version']
  for (const { name, sql } of schemaOf(source, 'table')) {
    copy.exec(sql)
    await copyRows(source, copy, name, took)
  }
  await addChunks(copy, wish.folder, took)
  for (const { sql } of schemaOf(source, 'index')) copy.exec(sql)
  copy.exec(`PRAGMA user_version = ${Number(version)}; COMMIT`)
  source.exec('COMMIT')
}

interface Named {
  readonly name: string
  readonly sql: string
}

function schemaOf(db: DatabaseSync, type: 'table' | 'index'): Named[] {
  const text = `SELECT name, sql FROM sqlite_schema
    WHERE type = ? AND sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY rowid`
  return db
    .prepare(text)
    .all(type)
    .map((row) => ({ name: String(row['name']), sql: String(row['sql']) }))
}

type Took = (bytes: number) => Promise<void>

async function copyRows(
  source: DatabaseSync,
  copy: DatabaseSync,
  table: string,
  took: Took,
): Promise<void> {
  const select = source.prepare(`SELECT * FROM "${table}"`)
  select.setReturnArrays(true)
  const places = select.columns().map(() => '?')
  const insert = copy.prepare(`INSERT INTO "${table}" VALUES (${places.join(', ')})`)
  type Value = string | number | Uint8Array | null
  let gathered = 0
  for (const found of select.iterate()) {
    const row = found as unknown as Value[]
    insert.run(...row)
    for (const value of row) gathered += lengthOf(value)
    if (gathered < TURN) continue
    await took(gathered)
    gathered = 0
  }
  await took(gathered)
}

function lengthOf(value: string | number | Uint8Array | null): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 8
}

function bytesOf(db: DatabaseSync): number {
  const read = (name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name])
  const pages = read('page_count') - read('freelist_count')
  const large = db.prepare(`SELECT coalesce(sum(size), 0) AS bytes FROM message
    WHERE large IS NOT NULL AND EXISTS (SELECT 1 FROM delivery WHERE message = message.id)`)
  return pages * read('page_size') + Number(large.get()?.['bytes'])
}

/** Says how far it is, and lets a signal through. */
function pacer({ progress, signal }: CopyWish, all: number): Took {
  let done = 0
  return async (bytes) => {
    done += bytes
    progress(Math.min(done, all), all)
    await setImmediate()
    signal.throwIfAborted()
  }
}

// Unlike a rename, a link never overwrites; not every file system has them.
async function appear(part: string, path: string): Promise<void> {
  try {
    await link(part, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw error
    if ((await stat(path).catch(() => undefined)) !== undefined)
      throw new Error('it is there already', { cause: error })
    await rename(part, path)
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY)
  await file.sync()
}
