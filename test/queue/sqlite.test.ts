// The embedded engine against the contract of the queue, and what is its own: one folder and one
// relay, what a crash leaves, storage that fails, backups, and reading beside it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { expect, test } from 'vitest'

import type { RelayEvent } from '../../src/mail/event.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import { copyStore } from '../../src/queue/sqlite/read/copy.ts'
import type { CopyWish } from '../../src/queue/sqlite/read/copy.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import type { SqliteOptions } from '../../src/queue/sqlite/queue.ts'
import { openSqliteReader } from '../../src/queue/sqlite/read/reader.ts'
import { ManualClock } from '../peers/clock.ts'
import { contract } from './contract.ts'
import { allChanges, page } from './contract-history.ts'
import { attempt, claimOne, deferred, delivered, HOUR, lane, mailOf, read } from './mail.ts'
import { send, statesOf, takeFrom, takeOne, WHO } from './mail.ts'

const LARGE = Buffer.alloc(1_000_000, 'x')

contract('sqlite', async () => {
  const world = await openWorld()
  return Object.assign(world, { queue: await world.open() })
})

test('a second relay in the same folder is told who holds it', async () => {
  await using world = await openWorld()
  await world.open()
  const second = openSqliteQueue({ folder: world.folder, clock: world.clock })
  await expect(second).rejects.toThrow(`process id ${process.pid}`)
})

test('the data folder is the owner’s alone', async () => {
  await using world = await openWorld()
  await world.open()
  expect((await stat(world.folder)).mode & 0o777).toBe(0o700)
})

test('a schema that a newer relay wrote is refused with both versions', async () => {
  await using world = await openWorld()
  await (await world.open())[Symbol.asyncDispose]()
  const db = new DatabaseSync(join(world.folder, 'queue.db'))
  db.exec('PRAGMA user_version = 99')
  db.close()
  await expect(world.open()).rejects.toThrow('version 99, this relay knows 4')
  await expect(openSqliteReader(world.folder)).rejects.toThrow('version 99, this relay knows 4')
})

test('a store of the first schema is read as it is, and brought up to date by the relay', async () => {
  await using world = await openWorld()
  const first = await world.open()
  const until = world.clock.now() + HOUR
  await first.suspend([lane('far.example')], undefined, until, 'no host answers')
  await send(first, world.clock)
  await first[Symbol.asyncDispose]()
  const path = join(world.folder, 'queue.db')
  const db = new DatabaseSync(path)
  toFirstSchema(db)
  db.close()
  const known = { lane: 'far.example', until, reason: 'no host answers', cause: 'other', since: 0 }
  {
    await using reader = await openSqliteReader(world.folder, () => world.clock.now())
    expect(await reader.suspensions()).toEqual([known])
  }
  const queue = await world.open()
  expect(await queue.suspensions()).toEqual([known])
  await queue.suspend([lane('far.example')], undefined, until, 'TLS is wanted', { cause: 'tls' })
  const since = world.clock.now()
  expect(await queue.suspensions()).toMatchObject([{ cause: 'tls', since }])
})

test('a queue of an earlier schema is migrated, and its held mail has time after its release', async () => {
  await using world = await openWorld()
  const { clock } = world
  const before = await world.open()
  const id = await send(before, clock, { expireAt: clock.now() + HOUR })
  await before.steer('hold', { ids: [id] }, WHO)
  await before[Symbol.asyncDispose]()
  const db = new DatabaseSync(join(world.folder, 'queue.db'))
  toFirstSchema(db)
  db.prepare('UPDATE delivery SET hold = ?').run(JSON.stringify(WHO))
  db.close()
  clock.pass(10 * HOUR)
  const queue = await world.open()
  expect(await queue.steer('release', { ids: [id] }, WHO)).toEqual({ count: 1, busy: 0 })
  expect(await queue.overdue('expire', 5)).toEqual([])
  expect((await takeOne(queue)).delivery.expireAt).toBe(clock.now() + HOUR)
  // The order over all begins with the new schema, and the trace goes on.
  const changes = await allChanges(queue)
  expect(changes.map(({ fact }) => fact)).toMatchObject([{ kind: 'act', act: 'release' }])
  const { facts } = (await queue.trace(id))!
  expect(facts).toMatchObject([{ kind: 'accepted' }, { act: 'hold' }, { act: 'release' }])
})

test('a store that no relay of today has opened has no order over all yet', async () => {
  await using world = await openWorld()
  const first = await world.open()
  await send(first, world.clock)
  await first[Symbol.asyncDispose]()
  const db = new DatabaseSync(join(world.folder, 'queue.db'))
  toFirstSchema(db)
  db.close()
  await using reader = await openSqliteReader(world.folder)
  expect(await reader.changes('oldest', 5)).toEqual({ kind: 'changes', changes: [], cursor: '0' })
})

test('the order over all goes as far back as history, and says so to whoever comes later', async () => {
  await using world = await openWorld()
  const { clock } = world
  const queue = await world.open({ historyAge: HOUR })
  const { cursor } = await page(queue, 'oldest')
  await send(queue, clock)
  const late = await page(queue, 'oldest')
  await send(queue, clock)
  await queue.steer('hold', {}, WHO)
  const end = await page(queue, 'newest')
  clock.pass(HOUR)
  const afterRound = (): ReturnType<Queue['changes']> => {
    clock.pass(60_000)
    return queue.changes({ cursor }, 5)
  }
  await expect.poll(afterRound).toMatchObject({ kind: 'gone' })
  expect(await queue.changes(late, 5)).toMatchObject({ kind: 'gone' })
  const gone = await queue.changes({ cursor }, 5)
  if (gone.kind !== 'gone') throw new Error('It should be gone')
  expect(await page(queue, { cursor: gone.oldest })).toEqual(end)
  expect(await page(queue, end)).toEqual(end)
  await queue[Symbol.asyncDispose]()

  const again = await world.open()
  const id = await send(again, clock)
  const found = await again.changes(end, 5)
  expect(found).toMatchObject({ changes: [{ message: id, fact: { kind: 'accepted' } }] })
  expect(await again.changes('oldest', 5)).toEqual(found)
})

function toFirstSchema(db: DatabaseSync): void {
  db.exec(`ALTER TABLE suspension DROP COLUMN since; ALTER TABLE suspension DROP COLUMN cause;
    ALTER TABLE delivery DROP COLUMN held_for;
    DROP INDEX delivery_waiting; DROP INDEX delivery_kept; DROP TABLE change; DROP TABLE state;
    UPDATE fact SET seq = 1; PRAGMA user_version = 1`)
}

test('all that was asked is done and still there after a stop', async () => {
  await using world = await openWorld()
  const first = await world.open()
  const far = await send(first, world.clock)
  const other = await send(first, world.clock, { to: ['x@other.example'], content: LARGE })
  const { lane } = await claimOne(first)
  await first.suspend([lane], 'mx.far.example', world.clock.now() + HOUR, 'no host answers')
  await first.hold({ kind: 'queue', name: 'bulk' }, WHO)
  await first[Symbol.asyncDispose]()
  await expect(first.claim(1)).rejects.toMatchObject({ kind: 'closed' })

  const queue = await world.open()
  expect(await queue.suspensions()).toHaveLength(1)
  const held = await send(queue, world.clock, { queue: 'bulk' })
  expect(await statesOf(queue, held)).toEqual(['held'])
  const { delivery } = await takeOne(queue)
  expect(delivery.message).toBe(other)
  expect(await read(queue.content(delivery.content))).toEqual(LARGE)
  expect(await queue.claim(1)).toEqual([])
  world.clock.pass(HOUR)
  expect((await takeOne(queue)).delivery.message).toBe(far)
  expect(queue.newId() > held).toBe(true)
})

test('after a kill everything is there, and what was under way counts as interrupted', async () => {
  await using world = await openWorld()
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), world.folder])
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')

  world.clock.set(Date.now())
  const queue = await world.open()
  const { entries } = await queue.find({}, { limit: 9 })
  expect(entries.map(({ state, attempts }) => [state, attempts])).toEqual([
    ...Array.from({ length: 3 }, () => ['waiting', 0]),
    ...Array.from({ length: 2 }, () => ['waiting', 1]),
  ])
  const lease = await claimOne(queue)
  const taken = []
  for (let i = 0; i < 5; i++) taken.push(await takeFrom(queue, lease))
  expect(taken.filter(({ last }) => last?.kind === 'interrupted')).toHaveLength(2)
  expect(taken.every(({ content }) => content.bytes!.length > 0)).toBe(true)
})

test('content that nobody accepted is gone after the next start', async () => {
  await using world = await openWorld()
  const first = await world.open()
  await first.store(first.newId(), LARGE)
  const kept = await send(first, world.clock, { content: LARGE })
  expect(readdirSync(join(world.folder, 'content'))).toHaveLength(2)
  await first[Symbol.asyncDispose]()
  await world.open()
  await expect.poll(() => readdirSync(join(world.folder, 'content'))).toEqual([kept])
})

test('large content goes with the last recipient', async () => {
  await using world = await openWorld()
  const queue = await world.open()
  await send(queue, world.clock, { content: LARGE, to: ['a@far.example', 'b@other.example'] })
  const files = () => readdirSync(join(world.folder, 'content')).length
  for (let left = 1; left >= 0; left--) {
    const { delivery } = await takeOne(queue)
    await queue.settle(delivery, attempt(world.clock, delivery, delivered))
    expect(files()).toBe(left)
  }
})

test('while storage fails nothing is accepted, nothing is lost, and it recovers by itself', async () => {
  await using world = await openWorld()
  const queue = await world.open()
  const { clock } = world
  const id = await send(queue, clock)
  const { delivery, lease } = await takeOne(queue)
  const mail = await mailOf(queue, clock, {})

  const blocker = new DatabaseSync(join(world.folder, 'queue.db'))
  blocker.exec('BEGIN IMMEDIATE')
  const settlement = attempt(clock, delivery, delivered)
  const tried = await Promise.allSettled([
    queue.accept(mail),
    queue.settle(delivery, settlement, lease),
  ])
  expect(tried).toMatchObject([
    { status: 'rejected', reason: { kind: 'failing' } },
    { status: 'rejected', reason: { kind: 'failing' } },
  ])
  blocker.exec('ROLLBACK')
  blocker.close()

  expect(await queue.settle(delivery, settlement, lease)).toEqual({
    kind: 'idle',
    until: undefined,
  })
  expect(await statesOf(queue, id)).toEqual(['delivered'])
  await queue.accept(mail)
  const next = await takeFrom(queue, lease)
  expect(next.message).toBe(mail.id)
  expect(Buffer.from(next.content.bytes!).toString()).toContain('Hello')
})

test('under the reserve of free space nothing is accepted, and settling goes on', async () => {
  await using world = await openWorld()
  let free = 1000
  const space = async () => ({ free, total: 100_000 })
  const queue = await world.open({ diskReserve: 500, space })
  const { clock } = world
  await send(queue, clock)
  const mail = await mailOf(queue, clock, {})
  const { delivery } = await takeOne(queue)
  free = 100
  clock.pass(1000)
  await expect.poll(() => outcomeOf(queue.store(queue.newId(), LARGE))).toBe('full')
  expect(await outcomeOf(queue.accept(mail))).toBe('full')
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  free = 1000
  clock.pass(1000)
  await expect.poll(() => outcomeOf(queue.accept(mail))).toBe('done')
})

test('that the reserve of free space is crossed is told once each way, and at the start', async () => {
  await using world = await openWorld()
  let free = 100
  const told: string[] = []
  const report = (event: RelayEvent): void => {
    if (event.kind === 'note') told.push(`${event.level}: ${event.text}`)
  }
  const space = async () => ({ free, total: 100_000 })
  const queue = await world.open({ diskReserve: 500, space, report })
  const look = async (now: number): Promise<boolean> => {
    free = now
    world.clock.pass(1000)
    await queue.engine()
    return queue.refuses() === 'full'
  }
  const under = 'error: Free space is under WAYPOST_DISK_RESERVE: no mail is taken;'
  expect(told).toEqual([`${under} 100B free, and 500B should be`])
  expect(await look(300)).toBe(true)
  // A little above: the next message would cross it again.
  expect(await look(505)).toBe(true)
  expect(told).toHaveLength(1)
  expect(await look(2000)).toBe(false)
  expect(await look(400)).toBe(true)
  expect(told.slice(1)).toEqual([
    'info: Mail is taken again: 2KB free, and 500B should be',
    `${under} 400B free, and 500B should be`,
  ])
  expect((await queue.engine()).disk).toEqual({ free: 400, reserve: 500 })
})

test('history is forgotten when it is old, and what still waits is not', async () => {
  await using world = await openWorld()
  const queue = await world.open({ historyAge: HOUR })
  const { clock } = world
  const waits = await send(queue, clock, { due: clock.now() + 9 * HOUR })
  const ids = []
  for (let i = 0; i < 120; i++) ids.push(await send(queue, clock))
  const lease = await claimOne(queue)
  for (const _ of ids) {
    const delivery = await takeFrom(queue, lease)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
  }
  await queue.release(lease)
  clock.pass(HOUR / 2)
  expect((await queue.find({}, { limit: 200 })).entries).toHaveLength(121)
  clock.pass(HOUR)
  const left = async () => {
    clock.pass(60_000)
    return (await queue.find({}, { limit: 200 })).entries.map(({ id }) => id)
  }
  await expect.poll(left).toEqual([waits])
  expect(await queue.trace(ids[0]!)).toBeUndefined()
})

test('history above its size is forgotten sooner, the oldest first', async () => {
  await using world = await openWorld()
  const queue = await world.open({ historySize: 0 })
  const { clock } = world
  await send(queue, clock)
  const { delivery } = await takeOne(queue)
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await send(queue, clock, { to: ['x@other.example'], due: clock.now() + HOUR })
  clock.pass(60_000)
  const left = async () => (await queue.find({}, { limit: 9 })).entries.map(({ to }) => to)
  await expect.poll(left).toEqual(['x@other.example'])
})

test('a backup taken while the relay runs opens as a queue, large content included', async () => {
  await using world = await openWorld()
  await using other = await openWorld()
  const queue = await world.open()
  const { clock } = world
  await send(queue, clock)
  await send(queue, clock, { to: ['x@large.example'], content: LARGE })
  const { delivery } = await takeOne(queue)
  const copy = join(other.folder, 'queue.db')
  {
    await using _ = await queue.keepContent!()
    await copyStore(copyOf(world.folder, copy))
    await expect(copyStore(copyOf(world.folder, copy))).rejects.toThrow('EEXIST')
  }
  expect((await stat(copy)).mode & 0o777).toBe(0o600)
  expect(readdirSync(other.folder)).toEqual(['queue.db'])
  await queue.settle(delivery, attempt(clock, delivery, delivered))

  const restored = await other.open()
  const contents = []
  for (const lease of await restored.claim(9)) {
    const again = await takeFrom(restored, lease)
    contents.push((await read(restored.content(again.content))).length)
  }
  expect(contents.toSorted((a, b) => b - a)).toEqual([LARGE.length, 24])
})

test('content stays for whoever copies the store, and goes when the last of them is done', async () => {
  await using world = await openWorld()
  const queue = await world.open()
  const id = await send(queue, world.clock, { content: LARGE })
  const file = join(world.folder, 'content', id)
  const copies = await Promise.all([queue.keepContent!(), queue.keepContent!()])
  const { delivery } = await takeOne(queue)
  await queue.settle(delivery, attempt(world.clock, delivery, delivered))
  await copies[0][Symbol.asyncDispose]()
  await copies[0][Symbol.asyncDispose]()
  await queue.claim(0)
  expect(existsSync(file)).toBe(true)
  await copies[1][Symbol.asyncDispose]()
  expect(existsSync(file)).toBe(false)
})

test('a copy that is stopped, or cannot be written, leaves nothing', async () => {
  await using world = await openWorld()
  await using other = await openWorld()
  const queue = await world.open()
  await send(queue, world.clock, { content: LARGE })
  const stop = new AbortController()
  const wish = copyOf(world.folder, join(other.folder, 'queue.db'))
  const stopped = copyStore({ ...wish, signal: stop.signal, progress: () => stop.abort() })
  await expect(stopped).rejects.toThrow('abort')
  const nowhere = copyStore({ ...wish, folder: other.folder })
  await expect(nowhere).rejects.toThrow('there is no')
  expect(readdirSync(other.folder)).toEqual([])
})

function copyOf(folder: string, path: string): CopyWish {
  const { signal } = new AbortController()
  return { folder, path, running: true, signal, progress: () => {} }
}

test('the command line reads beside the relay and when it is down, and leaves no file', async () => {
  await using world = await openWorld()
  const queue = await world.open()
  const id = await send(queue, world.clock)
  const seen = async () => {
    await using reader = await openSqliteReader(world.folder)
    return (await reader.find({}, { limit: 9 })).entries.map((entry) => entry.id)
  }
  expect(await seen()).toEqual([id])
  await queue[Symbol.asyncDispose]()
  const files = readdirSync(world.folder)
  expect(await seen()).toEqual([id])
  expect(readdirSync(world.folder)).toEqual(files)
  expect(existsSync(join(world.folder, 'queue.db-wal'))).toBe(false)
})

test('reading where there is no queue says so and creates nothing', async () => {
  await using world = await openWorld()
  await expect(openSqliteReader(world.folder)).rejects.toThrow('there is no')
  expect(readdirSync(world.folder)).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)('the queue of another user is not read', async () => {
  await using world = await openWorld()
  await (await world.open())[Symbol.asyncDispose]()
  await chown(world.folder, 1234, 1234)
  await expect(openSqliteReader(world.folder)).rejects.toThrow('it belongs to 1234')
})

test('mail that had to leave memory before its first attempt is read from the store', async () => {
  await using world = await openWorld()
  const queue = await world.open({ memory: 10_000 })
  const { clock } = world
  for (let i = 0; i < 20; i++)
    await send(queue, clock, { content: Buffer.from(`Subject: ${i}\r\n\r\n`) })
  const lease = await claimOne(queue)
  for (let i = 0; i < 20; i++) {
    const { content } = await takeFrom(queue, lease)
    expect(Buffer.from(content.bytes!).toString()).toContain(`Subject: ${i}\r\n`)
  }
})

test('a deferred delivery is read from the store at its second attempt', async () => {
  await using world = await openWorld()
  const queue = await world.open()
  await send(queue, world.clock, { to: ['a@far.example', 'b@far.example'] })
  const { delivery, lease } = await takeOne(queue)
  const settled = attempt(world.clock, delivery, (n) => deferred(n, world.clock.now()))
  const again = await queue.settle(delivery, settled, lease)
  if (again?.kind !== 'delivery') throw new Error('It should be due')
  const { recipients, ...rest } = again.delivery
  const { recipients: _, ...before } = delivery
  expect(rest).toEqual({ ...before, content: rest.content })
  expect(recipients).toEqual(delivery.recipients.map((each) => ({ ...each, attempts: 1 })))
  expect(Buffer.from(rest.content.bytes!)).toEqual(Buffer.from(delivery.content.bytes!))
})

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    return (error as { kind: string }).kind
  }
}

interface World extends AsyncDisposable {
  readonly folder: string
  readonly clock: ManualClock
  open(options?: Partial<SqliteOptions>): Promise<Queue>
}

/** A folder and a clock; all queues that were opened in it are closed before it goes. */
async function openWorld(): Promise<World> {
  const parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-queue-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const clock = new ManualClock()
  return {
    folder,
    clock,
    open: async (options) => parts.use(await openSqliteQueue({ folder, clock, ...options })),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
