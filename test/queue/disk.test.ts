// A disk that refuses writes in the middle of commits: the kernel is told that no file of this
// process may grow beyond a few kilobytes, so writes fail with EFBIG as a broken disk's would.

import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { Disk } from '../../src/queue/sqlite/client/disk.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { ManualClock } from '../peers/clock.ts'
import { attempt, delivered, deferred, mailOf, send, statesOf, takeFrom, takeOne } from './mail.ts'

test('a commit that fails is told to each that shared it, and all can be done again', async () => {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-disk-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const clock = new ManualClock()
  const queue = parts.use(await openSqliteQueue({ folder, clock }))
  const ids = []
  for (let i = 0; i < 3; i++) ids.push(await send(queue, clock))
  const { delivery, lease } = await takeOne(queue)
  const mails = await Promise.all([1, 2].map(() => mailOf(queue, clock, {})))
  const settlement = attempt(clock, delivery, delivered)

  await withoutDisk(async () => {
    for (let round = 0; round < 3; round++) {
      const tried = await Promise.allSettled([
        ...mails.map((mail) => queue.accept(mail)),
        queue.settle(delivery, settlement, lease),
        queue.store(queue.newId(), Buffer.alloc(1_000_000)),
      ])
      for (const each of tried)
        expect(each).toMatchObject({ status: 'rejected', reason: { name: 'QueueError' } })
    }
    expect(await queue.claim(5)).toHaveLength(2)
  })

  const next = await queue.settle(delivery, settlement, lease)
  expect(next).toMatchObject({ kind: 'delivery', delivery: { message: ids[1] } })
  await Promise.all(mails.map((mail) => queue.accept(mail)))
  const left = []
  for (let i = 0; i < 3; i++) left.push((await takeFrom(queue, lease)).message)
  expect(left).toEqual([ids[2], ...mails.map(({ id }) => id)])
  expect(await statesOf(queue, ids[0]!)).toEqual(['delivered'])
})

test('lanes are right again after a commit that failed', async () => {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-disk-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const clock = new ManualClock()
  const queue = parts.use(await openSqliteQueue({ folder, clock }))
  await send(queue, clock)
  const { delivery, lease } = await takeOne(queue)
  const later = attempt(clock, delivery, (n) => deferred(n, clock.now() + 1000))
  await withoutDisk(async () => {
    await expect(queue.settle(delivery, later)).rejects.toThrow('Cannot write')
    await expect(send(queue, clock, { to: ['x@other.example'] })).rejects.toThrow('Cannot write')
    expect(await queue.claim(5)).toEqual([])
    expect(await queue.nextDue()).toBeUndefined()
  })
  await queue.settle(delivery, later)
  await queue.release(lease)
  expect(await queue.claim(5)).toEqual([])
  expect(await queue.nextDue()).toBe(clock.now() + 1000)
  clock.pass(1000)
  expect(await queue.claim(5)).toHaveLength(1)
})

async function withoutDisk(story: () => Promise<void>): Promise<void> {
  const ignore = (): void => {}
  process.on('SIGXFSZ', ignore)
  limitFiles('8192')
  try {
    await story()
  } finally {
    limitFiles('unlimited')
    process.off('SIGXFSZ', ignore)
  }
}

/** Sets the soft limit of this process; `prlimit` is part of util-linux. */
function limitFiles(size: string): void {
  execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${size}:unlimited`])
}

test.for([
  { total: 100 * 1024 ** 3, reserve: 1024 ** 3 },
  { total: 10 * 1024 ** 3, reserve: 512 * 1024 ** 2 },
  { total: 256 * 1024 ** 2, reserve: 64 * 1024 ** 2 },
])('of a disk of $total bytes $reserve are kept free by default', ({ total, reserve }) => {
  const space = { free: total, total }
  const disk = new Disk(new ManualClock(), space, undefined, () => Promise.resolve(space))
  expect(disk.reserve).toBe(reserve)
})
