// The Lua of the engine is a library that the server keeps, named by what is in it: relays of two versions
// work side by side, and a server that has forgotten it learns it again in the same step.

import { appendFile, cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { readAddress } from '../../../src/queue/bullmq/link/address.ts'
import { readLibrary } from '../../../src/queue/bullmq/link/library.ts'
import type { openBullmqQueue } from '../../../src/queue/bullmq/queue.ts'
import { createOwnTime } from '../../../src/queue/bullmq/link/time.ts'
import type { Queue } from '../../../src/queue/port/queue.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, delivered, HOUR, mailOf, send, statesOf, takeFrom, takeOne } from '../mail.ts'
import { aboutOf, openWorld, type World } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

/** Every kind of step, from acceptance to the end. */
async function wholeLife(queue: Queue, { clock }: World, between = async () => {}): Promise<void> {
  const ids = []
  for (let n = 0; n < 2; n++) {
    await between()
    ids.push(await send(queue, clock))
  }
  await between()
  const { lease, delivery } = await takeOne(queue)
  await between()
  const next = await queue.settle(delivery, attempt(clock, delivery, delivered), lease)
  expect(next).toMatchObject({ kind: 'delivery' })
  const second = next!.kind === 'delivery' ? next!.delivery : delivery
  await between()
  const notice = await mailOf(queue, clock, { from: '', to: ['ana@near.example'] })
  const verdict = { kind: 'end', end: 'bounced', notice: 'sent' } as const
  const results = second.recipients.map(({ n }) => ({ n, verdict }))
  await queue.settle(second, { at: clock.now(), results, notices: [notice] })
  await between()
  await queue.release(lease)
  expect(await statesOf(queue, ids[0]!)).toEqual(['delivered'])
  expect(await statesOf(queue, ids[1]!)).toEqual(['bounced'])
  await between()
  const { delivery: third } = await takeOne(queue)
  expect(third.message).toBe(notice.id)
  await between()
  await queue.settle(third, attempt(clock, third, delivered))
  expect(await queue.counts('state')).toEqual([])
}

test('functions that were flushed are loaded again by the very step that misses them', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  await wholeLife(queue, world, async () => void (await world.redis.function('FLUSH')))
  expect(world.told.filter(({ kind }) => kind === 'note')).toEqual([])
})

test('they are also while several steps share a call', async () => {
  await using world = await openWorld(server)
  const { clock, redis } = world
  const queue = await world.open()
  const mails = await Promise.all(Array.from({ length: 20 }, () => mailOf(queue, clock, {})))
  await redis.function('FLUSH')
  const ids = await Promise.all(mails.map((mail) => queue.accept(mail)))
  expect(ids).toEqual(mails.map(({ id }) => id))
  expect((await queue.find({}, { limit: 50 })).entries).toHaveLength(20)
  const { lease, delivery } = await takeOne(queue)
  const taken = [delivery]
  for (let n = 1; n < 20; n++) taken.push(await takeFrom(queue, lease))
  await redis.function('FLUSH')
  await Promise.all(taken.map((each) => queue.settle(each, attempt(clock, each, delivered))))
  for (const id of ids) expect((await queue.trace(id))!.entries).toMatchObject([{ attempts: 1 }])
  expect(await queue.counts('state')).toEqual([])
})

test('a step that missed them is done once', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  const once = { key: 'otp', until: clock.now() + HOUR }
  const mail = await mailOf(queue, clock, { once, to: ['a@far.example', 'b@other.example'] })
  await redis.function('FLUSH')
  expect(await queue.accept(mail)).toBe(mail.id)
  expect(await redis.zcard(`${prefix}:far.example:prioritized`)).toBe(1)
  expect(await queue.counts('destination')).toEqual([
    { key: 'far.example', count: 1 },
    { key: 'other.example', count: 1 },
  ])
})

test('the library is named for its text, and every function of it too', async () => {
  await using world = await openWorld(server)
  await world.open()
  const { name, code } = readLibrary()
  const [library] = (await world.redis.function('LIST', 'LIBRARYNAME', name)) as unknown[][]
  expect(library).toBeDefined()
  const names = [...code.matchAll(/define\('(\w+)'/g)].map(([, each]) => `${name}_${each}`)
  expect(names.length).toBeGreaterThan(15)
  expect(JSON.stringify(library)).toContain(names[0])
  for (const each of names) expect(JSON.stringify(library)).toContain(`"${each}"`)
})

/** The engine of another version: its Lua has another text. */
async function otherVersion(parts: AsyncDisposableStack): Promise<typeof openBullmqQueue> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-version-'))
  parts.defer(() => rm(folder, { recursive: true }))
  for (const name of ['base', 'mail', 'store', 'queue'])
    await cp(join('src', name), join(folder, 'src', name), { recursive: true })
  await cp('package.json', join(folder, 'package.json'))
  await symlink(resolve('node_modules'), join(folder, 'node_modules'))
  const engine = join(folder, 'src', 'queue', 'bullmq')
  await appendFile(join(engine, 'lua', 'accept.lua'), '-- Of another version.\n')
  const { openBullmqQueue: open } = (await import(join(engine, 'queue.ts'))) as Engine
  return open
}

interface Engine {
  readonly openBullmqQueue: typeof openBullmqQueue
}

test('two versions work side by side, and hand mail to each other', async () => {
  await using parts = new AsyncDisposableStack()
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const one = await world.open()
  const open = await otherVersion(parts)
  const other = parts.use(
    await open({
      address: readAddress(server.url),
      prefix: prefix.slice(1, -1),
      clock,
      wish: { replicas: 0, relaxed: false },
      about: () => aboutOf({ version: 'another' }),
      time: createOwnTime(clock),
    }),
  )
  const loaded = JSON.stringify(await redis.function('LIST', 'LIBRARYNAME', 'waypost_*'))
  expect(new Set(loaded.match(/"waypost_[0-9a-f]{10}"/g)).size).toBe(2)
  const ways = [
    [one, other],
    [other, one],
  ] as const
  for (const [from, to] of ways) {
    const id = await send(from, clock)
    const { lease, delivery } = await takeOne(to)
    await to.settle(delivery, attempt(clock, delivery, delivered))
    await to.release(lease)
    expect(await statesOf(from, id)).toEqual(['delivered'])
  }
})
