// The thread that reads for a running relay, so that a long search stops neither SMTP nor the
// commits.

import { parentPort, workerData } from 'node:worker_threads'

import { changesOf } from './changes.ts'
import type { ReadChanges } from './changes.ts'
import { readCounts } from './counts.ts'
import { readOldest } from './oldest.ts'
import { openForReading, readBytes, readHolds, readPage } from './reading.ts'
import { readSizes, readSuspensions, readTrace } from './reading.ts'
import { readState } from './state.ts'
import type { FromReader, ToReader } from '../schema/wire.ts'

const { folder } = workerData as { readonly folder: string }
const db = openForReading(folder, true)
const port = parentPort!
let changes: ReadChanges | undefined

port.on('message', (asked: ToReader) => void answer(asked))

async function answer(asked: ToReader): Promise<void> {
  const [call] = asked
  try {
    const value = await read(asked)
    port.postMessage({ call, value } satisfies FromReader)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    port.postMessage({ call, error: text } satisfies FromReader)
  }
}

async function read(asked: ToReader): Promise<unknown> {
  switch (asked[1]) {
    case 'find':
      return readPage(db, asked[3], { limit: asked[4], cursor: asked[5] })
    case 'counts':
      return readCounts(db, asked[3], asked[4], asked[2])
    case 'trace':
      return readTrace(db, asked[3], asked[2])
    case 'changes':
      return (changes ??= changesOf(db))(asked[2], asked[3])
    case 'suspensions':
      return readSuspensions(db, asked[2])
    case 'oldest':
      return readOldest(db)
    case 'holds':
      return readHolds(db)
    case 'bytes':
      return readBytes(db, asked[2])
    case 'state':
      return readState(db, asked[3], asked[4], asked[5], asked[2])
    case 'history':
      return readSizes(db)
    case 'close':
      db.close()
      port.close()
      return undefined
  }
}
