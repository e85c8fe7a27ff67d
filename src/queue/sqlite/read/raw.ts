// The content of a message, read from the store itself, beside a relay that runs and without one.

import { createReadStream, existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

import { numbersOf } from './numbers.ts'
import { readBytes, rowsOf } from './reading.ts'
import { contentPath } from '../schema/content-path.ts'

/** Nothing when it is not kept: it goes with the last recipient that ends. */
export async function* readRaw(
  db: DatabaseSync,
  folder: string,
  id: string,
): AsyncGenerator<Uint8Array> {
  const small = readBytes(db, id)
  if (small !== undefined) return yield small
  const [number] = numbersOf(db, [id]).keys()
  const [row] = rowsOf(db, 'SELECT large FROM message WHERE id = ?', number ?? -1)
  const large = row?.[0]
  if (typeof large !== 'string') return
  const path = contentPath(folder, large)
  if (existsSync(path)) yield* createReadStream(path)
}
