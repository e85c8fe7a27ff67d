// Reads the queue of a data folder without being the relay: for the command line, beside a
// running relay and when it is down.

import type { DatabaseSync } from 'node:sqlite'

import type { Changes, Since } from '../../port/history.ts'
import type {
  ContentReader,
  Count,
  Filter,
  GroupBy,
  Oldest,
  Page,
  QueueReader,
  StandingHold,
  Suspension,
  Trace,
} from '../../port/reader.ts'
import type { MessageId } from '../../port/types.ts'
import { changesOf } from './changes.ts'
import type { ReadChanges } from './changes.ts'
import { readCounts } from './counts.ts'
import { readOldest } from './oldest.ts'
import { readRaw } from './raw.ts'
import { openForReading, readHolds, readPage, readSuspensions, readTrace } from './reading.ts'

/** Rejects when there is no queue, or it belongs to another user. */
export async function openSqliteReader(
  folder: string,
  now: () => number = Date.now,
): Promise<QueueReader & ContentReader> {
  return new SqliteReader(folder, now)
}

class SqliteReader implements QueueReader, ContentReader {
  #db: DatabaseSync
  #folder: string
  #now: () => number
  #changes: ReadChanges | undefined

  constructor(folder: string, now: () => number) {
    this.#db = openForReading(folder)
    this.#folder = folder
    this.#now = now
  }

  async find(filter: Filter, page: { limit: number; cursor?: string }): Promise<Page> {
    return readPage(this.#db, filter, page)
  }

  async counts(by: GroupBy, ages?: readonly number[]): Promise<Count[]> {
    return readCounts(this.#db, by, ages, this.#now())
  }

  async trace(id: MessageId): Promise<Trace | undefined> {
    return readTrace(this.#db, id, this.#now())
  }

  async oldest(): Promise<Oldest[]> {
    return readOldest(this.#db)
  }

  async changes(since: Since, count: number): Promise<Changes> {
    return (this.#changes ??= changesOf(this.#db))(since, count)
  }

  async suspensions(): Promise<Suspension[]> {
    return readSuspensions(this.#db, this.#now())
  }

  raw(id: string): AsyncGenerator<Uint8Array> {
    return readRaw(this.#db, this.#folder, id)
  }

  async holds(): Promise<StandingHold[]> {
    return readHolds(this.#db)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#db.close()
  }
}
