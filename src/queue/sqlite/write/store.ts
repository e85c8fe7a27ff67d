// What the worker has open: the connection, its statements, and what is kept in memory beside
// them. Whatever an operation changes in memory can be undone while its commit is not through.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import type { OperatorAct } from '../../port/types.ts'
import { keepPrivate, narrow } from '../../../base/folder.ts'
import { contentPath } from '../schema/content-path.ts'
import { restoreChunks } from '../schema/chunks.ts'
import { createChanges, loadChanges } from './changes.ts'
import type { Changes } from './changes.ts'
import { Lanes } from './lanes.ts'
import type { ReadyRow, Schedule } from './lanes.ts'
import { Leases } from './leases.ts'
import { checkLibrary, FILE, migrate, named } from '../schema/schema.ts'
import { prepareAll } from '../schema/statements.ts'
import type { Statements } from '../schema/statements.ts'
import type { ToldRow } from '../schema/wire.ts'

export interface StoreOptions {
  readonly folder: string
  readonly now: number
  readonly leaseMilliseconds: number
}

export interface Store {
  db: DatabaseSync
  sql: Statements
  readonly folder: string
  readonly lanes: Lanes
  readonly leases: Leases
  /** Standing holds by scope: `all`, `destination:x`, `queue:x`. */
  readonly holds: Map<string, OperatorAct>
  /** Mail that the client has in memory, and how many of its deliveries were never taken. */
  readonly fresh: Map<number, number>
  now: number
  /** Of the same moment; for leases. */
  steady: number
  /** Content of the batch under way. */
  content: Uint8Array
  /** Takes back what the batch changed in memory; last first. */
  readonly undo: (() => void)[]
  /** What is to be reported when this batch is through. */
  readonly told: ToldRow[]
  readonly changes: Changes
  /** How many keys of small state there are. */
  readonly kept: { keys: number }
  /** Files whose message has ended, to go once that is committed. */
  readonly unlink: string[]
  /** A backup reads the files: they stay until it is done. */
  keepFiles: boolean
}

/** An operation cannot be done, and has changed nothing. */
export class Refusal extends Error {
  readonly kind: 'used' | 'wrong'
  constructor(kind: 'used' | 'wrong', message: string) {
    super(message)
    this.kind = kind
  }
}

export function openStore(options: StoreOptions): Store {
  const { folder, now, leaseMilliseconds } = options
  const db = openSound(folder)
  const undo: (() => void)[] = []
  const sql = prepareAll(db)
  // The schedule reads through the store, whose connection may be replaced.
  const lanes = new Lanes(scheduleOf(() => store.sql))
  const store: Store = {
    db,
    sql,
    folder,
    lanes,
    now,
    steady: 0,
    undo,
    leases: new Leases(lanes, leaseMilliseconds, undo),
    holds: new Map(),
    fresh: new Map(),
    content: new Uint8Array(),
    told: [],
    changes: createChanges(),
    kept: { keys: 0 },
    unlink: [],
    keepFiles: false,
  }
  return store
}

function openSound(folder: string): DatabaseSync {
  const path = join(folder, FILE)
  keepPrivate(path)
  for (const companion of ['-wal', '-shm']) narrow(`${path}${companion}`)
  try {
    const db = openDatabase(folder)
    migrate(db)
    restoreChunks(db, folder)
    return db
  } catch (error) {
    throw named(path, error)
  }
}

export function openDatabase(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, FILE), { timeout: 2000 })
  checkLibrary(db)
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY`)
  return db
}

/** A connection that could not roll back is of no more use. */
export function reopen(store: Store): void {
  try {
    store.db.close()
  } catch {
    // It may be closed already.
  }
  store.db = openDatabase(store.folder)
  store.sql = prepareAll(store.db)
}

/** Loads what is kept in memory: stops, holds, the last number of a fact, and one index look-up for each lane and priority. */
export function loadMemory(store: Store): void {
  const { sql, lanes, now } = store
  type Stop = [lane: string, site: string | null, until: number, reason: string]
  for (const [lane, site, until, reason] of sql.suspensions.all() as unknown as Stop[])
    if (until > now) lanes.suspended.set(lane, { site, until, reason })
  type Hold = [scope: string, who: string, why: string]
  for (const [scope, who, why] of sql.holds.all() as unknown as Hold[])
    store.holds.set(scope, { who, why })
  showHolds(store)
  loadChanges(store)
  store.kept.keys = (sql.countState.get() as unknown as [number])[0]
  loadLanes(store)
}

/** Tells the lanes which of them are held. */
export function showHolds(store: Store): void {
  const prefix = 'destination:'
  store.lanes.allHeld = store.holds.has('all')
  store.lanes.held.clear()
  for (const scope of store.holds.keys())
    if (scope.startsWith(prefix)) store.lanes.held.add(scope.slice(prefix.length))
}

function loadLanes({ sql, lanes, now }: Store): void {
  type Found = [lane: string, priority: number, due: number] | undefined
  let found = sql.nextLane.get('', -1) as unknown as Found
  while (found !== undefined) {
    lanes.found(...found, now)
    found = sql.nextLane.get(found[0], found[1]) as unknown as Found
  }
}

function scheduleOf(sql: () => Statements): Schedule {
  return {
    count: (...what) => (sql().countReady.get(...what) as unknown as [number])[0],
    firstAfter: (...what) => first(sql().firstAfter.get(...what)),
    nextPriority: (...what) => first(sql().nextPriority.get(...what)),
    next: (...what) => sql().nextReady.get(...what) as unknown as ReadyRow | undefined,
  }
}

function first(row: unknown): number | undefined {
  return (row as [number] | undefined)?.[0]
}

/** Removes the files of messages that have ended, now that this is committed. */
export function unlinkEnded(store: Store): void {
  if (store.keepFiles) return
  // What this leaves behind is swept at the next start.
  for (const key of store.unlink.splice(0)) rmSync(contentPath(store.folder, key), { force: true })
}
