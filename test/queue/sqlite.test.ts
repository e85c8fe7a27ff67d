// The embedded engine against the contract of the queue.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { ManualClock } from '../peers/clock.ts'
import { contract } from './contract.ts'

contract('sqlite', async () => {
  const parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-queue-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const clock = new ManualClock()
  const queue = parts.use(await openSqliteQueue({ folder, clock }))
  return { queue, clock, [Symbol.asyncDispose]: () => parts.disposeAsync() }
})
