// Commands of admins act on the queue in Redis from any machine that reaches it, beside the relays and when
// none runs, and whatever the server promises.

import { afterAll, beforeAll, expect, test } from 'vitest'

import { systemClock } from '../../../src/base/clock.ts'
import { readAddress } from '../../../src/queue/bullmq/link/address.ts'
import { readBucket, type BucketAddress } from '../../../src/queue/bullmq/s3/address.ts'
import { openObjects } from '../../../src/queue/bullmq/s3/open.ts'
import { startS3 } from '../../peers/s3.ts'
import { openBullmqRemote } from '../../../src/queue/bullmq/remote.ts'
import { createServerTime } from '../../../src/queue/bullmq/link/time.ts'
import type { Queue } from '../../../src/queue/port/queue.ts'
import { ManualClock } from '../../peers/clock.ts'
import { freePort } from '../../peers/patience.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, claimOne, delivered, ends, HOUR, lane, send } from '../mail.ts'
import { read, statesOf, takeFrom, takeOne, WHO } from '../mail.ts'
import { aboutOf, openWorld, type World } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

const wish = { replicas: 0, relaxed: false }

function openRemote({ prefix }: World, more: { content?: BucketAddress } = {}) {
  const address = readAddress(server.url)
  return openBullmqRemote({ address, prefix: prefix.slice(1, -1), wish, ...more })
}

/** A relay of today, by the same clocks as commands. */
function openToday(world: World): Promise<Queue> {
  return world.open({ clock: systemClock, time: createServerTime(systemClock) })
}

/** For the times of mail. */
const today = (): ManualClock => new ManualClock(Date.now())

test('a command reads the same as the relay', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const { clock } = world
  const ids = [await send(queue, clock), await send(queue, clock, { to: ['x@other.example'] })]
  const { delivery } = await takeOne(queue)
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await queue.hold({ kind: 'queue', name: 'bulk' }, WHO)
  await using remote = await openRemote(world)
  expect(await remote.find({}, { limit: 9 })).toEqual(await queue.find({}, { limit: 9 }))
  expect(await remote.counts('destination')).toEqual(await queue.counts('destination'))
  expect(await remote.trace(ids[0]!)).toEqual(await queue.trace(ids[0]!))
  expect(await remote.holds()).toEqual(await queue.holds())
  expect(await remote.suspensions()).toEqual([])
})

test('what a command does is felt by the relay at once', async () => {
  await using world = await openWorld(server)
  const queue = await openToday(world)
  await using remote = await openRemote(world)
  const clock = today()
  const held = await send(queue, clock)
  const cancelled = await send(queue, clock)
  const refused = await send(queue, clock)

  expect(await remote.steer('hold', { ids: [held] }, WHO)).toEqual({ count: 1, busy: 0 })
  await remote.steer('cancel', { ids: [cancelled] }, WHO)
  await remote.steer('refuse', { ids: [refused] }, WHO)
  expect(await queue.claim(5)).toEqual([])
  expect(await statesOf(queue, cancelled)).toEqual(['cancelled'])
  const [overdue] = await queue.overdue('refuse', 5)
  expect(overdue).toMatchObject({ message: refused, refuse: WHO })
  await queue.settle(overdue!, ends(clock, overdue!, { kind: 'end', end: 'bounced' }))
  await remote.steer('release', { ids: [held] }, WHO)
  expect((await takeOne(queue)).delivery.message).toBe(held)
  expect((await queue.trace(held))!.facts).toMatchObject([
    { kind: 'accepted' },
    { kind: 'act', act: 'hold', ...WHO },
    { kind: 'act', act: 'release', ...WHO },
  ])
})

test('a relay that waits is woken by what a command sets free', async () => {
  await using world = await openWorld(server)
  const queue = await openToday(world)
  await using remote = await openRemote(world)
  await remote.hold({ kind: 'all' }, WHO)
  await send(queue, today())
  expect(await queue.nextDue()).toBeUndefined()
  const woken = new Promise<void>((resolve) => queue.onWake(resolve))
  expect(await remote.unhold({ kind: 'all' }, WHO)).toMatchObject({ count: 1 })
  await woken
  await claimOne(queue)
})

test('a command reads the content of what waits, in one piece or several', async () => {
  await using world = await openWorld(server)
  const queue = await openToday(world)
  await using remote = await openRemote(world)
  for (const size of [10, 900_000]) {
    const content = Buffer.alloc(size, 'y')
    const id = await send(queue, today(), { content, due: Date.now() + HOUR })
    expect(await read(remote.raw(id))).toEqual(content)
  }
  expect(await read(remote.raw('00000000000aaa'))).toHaveLength(0)
})

test('a command reads content from the object store where it lives there', async () => {
  await using s3 = await startS3()
  Object.assign(process.env, s3.environment)
  await using world = await openWorld(server)
  const content = readBucket(s3.content())
  const store = await openObjects(content, world.prefix.slice(1, -1))
  const time = createServerTime(systemClock)
  const queue = await world.open({ store, clock: systemClock, time })
  await using remote = await openRemote(world, { content })
  for (const size of [10, 900_000]) {
    const bytes = Buffer.alloc(size, 'y')
    const id = await send(queue, today(), { content: bytes, due: Date.now() + HOUR })
    expect(await read(remote.raw(id))).toEqual(bytes)
  }
})

test('a command that wants a delivery tried now ends the trouble of its lane', async () => {
  await using world = await openWorld(server)
  const queue = await openToday(world)
  await using remote = await openRemote(world)
  const id = await send(queue, today(), { due: Date.now() + HOUR })
  await queue.suspend([lane('far.example')], 'mx', Date.now() + HOUR, 'no host answers')
  expect(await remote.suspensions()).toMatchObject([{ site: 'mx', reason: 'no host answers' }])
  await remote.steer('retry', { ids: [id] }, WHO)
  expect((await takeOne(queue)).delivery.message).toBe(id)
})

test('what is under way follows a command when its attempt has ended', async () => {
  await using world = await openWorld(server)
  const queue = await openToday(world)
  await using remote = await openRemote(world)
  const clock = today()
  const id = await send(queue, clock)
  const { lease, delivery } = await takeOne(queue)
  expect(await remote.steer('cancel', { ids: [id] }, WHO)).toEqual({ count: 0, busy: 1 })
  expect(await statesOf(queue, id)).toEqual(['sending'])
  await queue.settle(delivery, ends(clock, delivery, { kind: 'untried' }), lease)
  expect(await statesOf(queue, id)).toEqual(['cancelled'])
})

test('without a relay, and without our functions in Redis, commands work', async () => {
  await using world = await openWorld(server)
  const queue = await openToday(world)
  const id = await send(queue, today())
  await queue[Symbol.asyncDispose]()
  await world.redis.function('FLUSH')
  await using remote = await openRemote(world)
  expect(await remote.steer('hold', { ids: [id] }, WHO)).toEqual({ count: 1, busy: 0 })
  expect(await remote.counts('state')).toEqual([{ key: 'held', count: 1 }])
  expect(await remote.processes()).toEqual([])
})

test('a command is no process of the queue, and sees those that are', async () => {
  await using world = await openWorld(server)
  await world.open({
    clock: systemClock,
    time: createServerTime(systemClock),
    about: () => aboutOf({ name: 'one' }),
  })
  await using remote = await openRemote(world)
  await remote.steer('retry', {}, WHO)
  expect(await remote.processes()).toMatchObject([{ name: 'one', isDead: false }])
})

test('a server that no relay would start on can be looked into, and says what is wrong', async () => {
  await using world = await openWorld(server)
  await world.open()
  await world.redis.config('SET', 'appendfsync', 'no')
  try {
    await using remote = await openRemote(world)
    expect(await remote.engine()).toMatchObject({
      engine: 'bullmq',
      at: server.url,
      durability: 'a relay that starts on this server is refused',
      isRelaxed: true,
      trouble: expect.stringContaining('appendfsync is no; set it to always'),
    })
    expect(await remote.find({}, { limit: 1 })).toMatchObject({ entries: [] })
  } finally {
    await world.redis.config('SET', 'appendfsync', 'always')
  }
})

test('a command says where it looked in vain', async () => {
  const url = `redis://:secret@127.0.0.1:${await freePort()}/2`
  const address = readAddress(url)
  const opening = openBullmqRemote({ address, prefix: 'none', wish })
  await expect(opening).rejects.toThrow(/^Cannot reach Redis at redis:\/\/127[^@]*\/2: .*REFUSED/)
})

test('a database that the server has not is told, by commands and by relays', async () => {
  await using world = await openWorld(server)
  const address = readAddress(server.url.replace('/0', '/99'))
  const said = '/99: it has no such database; does it run, and is WAYPOST_REDIS right?'
  await expect(openBullmqRemote({ address, prefix: 'none', wish })).rejects.toThrow(said)
  await expect(world.open({ address })).rejects.toThrow(said)
})

test('commands of one queue leave another in the same server alone', async () => {
  await using world = await openWorld(server)
  await using other = await openWorld(server)
  const queue = await world.open()
  const id = await send(queue, world.clock)
  await using remote = await openRemote(other)
  await remote.steer('cancel', {}, WHO)
  await remote.hold({ kind: 'all' }, WHO)
  expect(await statesOf(queue, id)).toEqual(['waiting'])
  await takeFrom(queue, await claimOne(queue))
})
