// What is done beside the work, in rounds: whatever a crash, a bug or a careless hand has left of a lane, a
// job or a hold is set right, by the one process whose turn it is.

import { afterAll, beforeAll, expect, test } from 'vitest'

import { Caller } from '../../../src/queue/bullmq/calls/caller.ts'
import { createOwnTime } from '../../../src/queue/bullmq/link/time.ts'
import type { MessageId } from '../../../src/queue/port/types.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, claimOne, delivered, HOUR, send, statesOf } from '../mail.ts'
import { takeOne, WHO } from '../mail.ts'
import { lose, startWire, type Wire } from './wire.ts'
import { LEASE, openWorld, type World } from './world.ts'

let server: RedisServer
let wire: Wire
beforeAll(async () => {
  server = await startRedis()
  wire = await startWire(server)
})
afterAll(async () => {
  await wire[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const LANE = 'far.example'

async function losePlace({ redis, prefix }: World): Promise<void> {
  await redis.hdel(`${prefix}/place`, LANE)
  for (const band of [0, 1, 2]) await redis.zrem(`${prefix}/due/${band}`, LANE)
}

/** As BullMQ's lane would be if somebody had removed the job from it. */
async function loseJob({ redis, prefix }: World, id: MessageId): Promise<void> {
  const lane = `${prefix}:${LANE}`
  await redis.del(`${lane}:${id}-1`)
  for (const state of ['prioritized', 'delayed']) await redis.zrem(`${lane}:${state}`, `${id}-1`)
  await redis.lrem(`${lane}:active`, 0, `${id}-1`)
}

test('a lane that lost its place finds it again', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const now = world.clock.now()
  await send(queue, world.clock, { due: now + HOUR })
  await losePlace(world)
  expect(await queue.nextDue()).toBeUndefined()
  await world.round()
  expect(await queue.nextDue()).toBe(now + HOUR)
  await send(queue, world.clock)
  await losePlace(world)
  await world.round()
  expect(await queue.claim(1)).toHaveLength(1)
})

test('a lane that is empty goes with its keys, and comes back with new mail', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  await send(queue, clock)
  const { lease, delivery } = await takeOne(queue)
  await world.round()
  expect(await redis.smembers(`${prefix}/lanes`)).toEqual([LANE])
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await queue.release(lease)
  await world.round()
  expect(await redis.keys(`${prefix}:*`)).toEqual([])
  expect(await redis.smembers(`${prefix}/lanes`)).toEqual([])
  await send(queue, clock)
  expect(await queue.claim(1)).toHaveLength(1)
})

for (const due of [0, HOUR])
  test(`a record whose job is gone, due ${due === 0 ? 'now' : 'later'}, gets one again`, async () => {
    await using world = await openWorld(server)
    const { clock } = world
    const queue = await world.open()
    const id = await send(queue, clock, { due: clock.now() + due })
    await loseJob(world, id)
    await losePlace(world)
    clock.pass(due)
    expect(await queue.claim(1)).toEqual([])
    await world.round()
    expect((await takeOne(queue)).delivery.message).toBe(id)
  })

test('a job that stands among the active and is in nobody’s hand goes back', async () => {
  await using world = await openWorld(server)
  const { redis, prefix } = world
  const queue = await world.open()
  const id = await send(queue, world.clock)
  await takeOne(queue)
  await redis.del(`${prefix}/taken`, `${prefix}/hand`)
  await world.round()
  expect((await takeOne(queue)).delivery.message).toBe(id)
})

test('what is under way or held is no job that was lost', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const held = await send(queue, world.clock)
  await queue.steer('hold', { ids: [held] }, WHO)
  const sending = await send(queue, world.clock)
  await takeOne(queue)
  await world.round()
  expect(await queue.claim(5)).toEqual([])
  expect(await statesOf(queue, held)).toEqual(['held'])
  expect(await statesOf(queue, sending)).toEqual(['sending'])
})

test('a job without a record is dropped by whoever takes it, and nobody is stopped by it', async () => {
  await using world = await openWorld(server)
  const { redis, prefix, clock } = world
  const queue = await world.open()
  const gone = await send(queue, clock)
  const next = await send(queue, clock)
  await redis.del(`${prefix}/m/${gone}`)
  const { delivery } = await takeOne(queue)
  expect(delivery.message).toBe(next)
  expect(await redis.exists(`${prefix}:${LANE}:${gone}-1`)).toBe(0)
  await world.round()
  expect(await redis.zscore(`${prefix}/live`, gone)).toBeNull()
})

test('of more than one page of messages each is looked at in its round', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const ids: MessageId[] = []
  for (let n = 0; n < 450; n++) ids.push(await send(queue, world.clock))
  for (const id of ids) await loseJob(world, id)
  expect(await queue.claim(1)).toEqual([])
  for (let round = 0; round < 3; round++) await world.round()
  expect(await world.redis.zcard(`${world.prefix}:${LANE}:prioritized`)).toBe(450)
})

test('a hold that was placed and not yet laid on what was queued is finished by the next process', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const id = await send(queue, world.clock)
  await lose(wire, queue, '_hold', () => queue.hold({ kind: 'destination', name: LANE }, WHO))
  expect(await queue.counts('state')).toEqual([{ key: 'waiting', count: 1 }])
  expect(await queue.claim(1)).toEqual([])
  await queue[Symbol.asyncDispose]()
  world.clock.pass(LEASE)
  const next = await world.open()
  expect(await next.counts('state')).toEqual([{ key: 'held', count: 1 }])
  await next.unhold({ kind: 'destination', name: LANE }, WHO)
  expect(await statesOf(next, id)).toEqual(['waiting'])
})

test('a hold that is just being placed is left to whoever places it', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const first = await world.openFrozen()
  // It has had no turn yet.
  const queue = await world.open()
  await send(queue, clock)
  await redis.del(`${prefix}/chores`)
  const caller = new Caller({ prefix, me: 'one', clock, time: createOwnTime(clock) })
  await caller.call(redis, 'hold', { scope: 'all', ...WHO, at: clock.now() })
  await world.round()
  expect(await queue.counts('state')).toEqual([{ key: 'waiting', count: 1 }])
  expect(await first.hold({ kind: 'all' }, WHO)).toEqual({ count: 1, busy: 0 })
})

test('a hold that was lifted and still lies on mail is lifted from it too', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  await queue.hold({ kind: 'all' }, WHO)
  const ids: MessageId[] = []
  for (let n = 0; n < 300; n++) ids.push(await send(queue, world.clock))
  await lose(wire, queue, '_hold', () => queue.unhold({ kind: 'all' }, WHO))
  expect(await queue.counts('state')).toEqual([{ key: 'held', count: 300 }])
  // Whoever lifts one frees what it held by himself, in his own name.
  await world.round()
  expect(await queue.counts('state')).toEqual([{ key: 'held', count: 300 }])
  await world.round()
  expect(await queue.counts('state')).toEqual([{ key: 'waiting', count: 300 }])
  expect((await queue.trace(ids[0]!))!.facts.at(-1)).toMatchObject({
    act: 'release',
    who: 'waypost',
    why: 'the hold was lifted before',
  })
  await claimOne(queue)
})

test('of two processes one has the turn, until the time of the next', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const callers = ['one', 'two'].map(
    (me) => new Caller({ prefix, me, clock, time: createOwnTime(clock) }),
  )
  const turns = async (): Promise<unknown[]> => {
    const answers = []
    for (const caller of callers)
      answers.push(
        (await caller.call(redis, 'bury', { length: LEASE, gone: [], chores: 9000 })).value,
      )
    return answers
  }
  await world.open()
  await redis.del(`${prefix}/chores`)
  expect(await turns()).toEqual([1, 0])
  clock.pass(8999)
  expect(await turns()).toEqual([0, 0])
  clock.pass(1)
  callers.reverse()
  expect(await turns()).toEqual([1, 0])
})
