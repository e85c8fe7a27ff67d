// Whose the files of the embedded queue are, and what is said of one that is damaged.

import { chmodSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { openSqliteReader } from '../../src/queue/sqlite/read/reader.ts'
import { ManualClock } from '../peers/clock.ts'
import { send } from './mail.ts'

const FILES = ['queue.db', 'queue.db-wal', 'queue.db-shm', 'lock.db']

test('each file is its owner’s alone whatever the umask, and one that an earlier relay made becomes so', async () => {
  await using folder = openFolder()
  const clock = new ManualClock()
  const mask = process.umask(0)
  try {
    for (let start = 0; start < 2; start++) {
      await using queue = await openSqliteQueue({ folder: folder.path, clock })
      await send(queue, clock, { content: Buffer.alloc(400_000, 'x') })
      const names = readdirSync(folder.path)
      expect(names).toEqual(expect.arrayContaining(FILES))
      for (const name of FILES) expect([name, modeOf(folder.path, name)]).toEqual([name, 0o600])
      expect(modeOf(folder.path, 'content')).toBe(0o700)
      for (const name of readdirSync(join(folder.path, 'content')))
        expect(modeOf(folder.path, 'content', name)).toBe(0o600)
      for (const name of FILES) chmodSync(join(folder.path, name), 0o644)
      chmodSync(join(folder.path, 'content'), 0o755)
    }
  } finally {
    process.umask(mask)
  }
})

test('a file that is damaged is named, and so is what to do', async () => {
  await using folder = openFolder()
  const path = join(folder.path, 'queue.db')
  writeFileSync(path, 'this was a queue '.repeat(1000))
  const says = `Cannot open the queue "${path}": file is not a database; it is damaged: put a backup`
  const open = () => openSqliteQueue({ folder: folder.path, clock: new ManualClock() })
  await expect(open()).rejects.toThrow(says)
  await expect(openSqliteReader(folder.path)).rejects.toThrow(says)
  await rm(path)
  const lock = join(folder.path, 'lock.db')
  writeFileSync(lock, 'this was a lock '.repeat(1000))
  await expect(open()).rejects.toThrow(`Cannot use "${lock}": file is not a database`)
})

function openFolder(): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'waypost-private-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

function modeOf(...path: string[]): number {
  return statSync(join(...path)).mode & 0o777
}
