// The memory of Redis: history gives way first, then no new mail is taken, long before the server
// refuses to write anything new.

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Queue } from '../../../src/queue/port.ts'
import { until } from '../../peers/process.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, claimOne, delivered, mailOf, send } from '../mail.ts'
import { statesOf, takeFrom, takeOne } from '../mail.ts'
import { openWorld, type World } from './world.ts'

let server: RedisServer
beforeEach(async () => void (server = await startRedis()))
afterEach(() => server[Symbol.asyncDispose]())

const FULL = { name: 'QueueError', kind: 'full' }

/** So much of the server's memory is used now. */
async function use(part: number, { redis }: World): Promise<void> {
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1])
  await redis.config('SET', 'maxmemory', String(Math.round(used / part)))
}

async function looked(queue: Queue, { clock }: World, refuses: 'full' | undefined): Promise<void> {
  clock.pass(1000)
  await until(
    () => queue.refuses() === refuses,
    () => `the queue to be ${refuses}`,
  )
}

test('from 80 % on no mail is taken, long before Redis refuses to write; below it is again', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const mail = await mailOf(queue, clock, {})
  await use(0.75, world)
  await looked(queue, world, undefined)
  await send(queue, clock)
  await use(0.83, world)
  await looked(queue, world, 'full')
  await expect(queue.accept(mail)).rejects.toMatchObject(FULL)
  await expect(queue.store(queue.newId(), Buffer.alloc(10))).rejects.toMatchObject(FULL)
  expect((await queue.engine()).trouble).toBe('Redis uses more than 80 % of its maxmemory')
  await world.redis.set('somebody', 'else can write')

  await use(0.7, world)
  await looked(queue, world, undefined)
  await queue.accept(mail)
})

test('where nothing is set for maxmemory nothing is full', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  expect((await queue.engine()).server).toMatchObject({ maxmemory: 0 })
  expect(queue.refuses()).toBeUndefined()
})

test('a relay can start on a server that is full, and goes on as soon as it is not', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const before = await world.open()
  await send(before, clock)
  await before[Symbol.asyncDispose]()
  await use(1.2, world)
  const queue = await world.open()
  expect(queue.refuses()).toBe('full')
  await use(0.5, world)
  await looked(queue, world, undefined)
  await takeOne(queue)
  await send(queue, clock)
})

test('where Redis refuses to write at all, every step says so and can be done again', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const ids = []
  for (let n = 0; n < 3; n++) ids.push(await send(queue, clock))
  const mail = await mailOf(queue, clock, {})
  const { lease, delivery } = await takeOne(queue)
  const settlement = attempt(clock, delivery, delivered)
  await use(1.2, world)
  await expect(world.redis.set('somebody', 'else')).rejects.toThrow('OOM')
  for (let n = 0; n < 3; n++) {
    const steps = [queue.accept(mail), queue.settle(delivery, settlement, lease), queue.take(lease)]
    for (const tried of await Promise.allSettled(steps))
      expect(tried).toMatchObject({ status: 'rejected', reason: FULL })
  }

  await use(0.5, world)
  await looked(queue, world, undefined)
  const next = await queue.settle(delivery, settlement, lease)
  expect(next).toMatchObject({ kind: 'delivery', delivery: { message: ids[1] } })
  await queue.accept(mail)
  expect(await statesOf(queue, ids[0]!)).toEqual(['delivered'])
  const left = [await takeFrom(queue, lease), await takeFrom(queue, lease)]
  expect(left.map(({ message }) => message)).toEqual([ids[2], mail.id])
})

test('history gives way from 70 % on, the oldest first', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  const ids = []
  for (let n = 0; n < 400; n++) ids.push(await send(queue, clock))
  const lease = await claimOne(queue)
  for (const _ of ids) {
    const delivery = await takeFrom(queue, lease)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
  }
  await queue.release(lease)
  await use(0.68, world)
  await looked(queue, world, undefined)
  await world.round()
  expect(await redis.zcard(`${prefix}/done`)).toBe(400)
  await use(0.72, world)
  await looked(queue, world, undefined)
  await world.round()
  const left = await redis.zrange(`${prefix}/done`, '0', '-1')
  expect(left.length).toBeGreaterThan(0)
  expect(left.length).toBeLessThan(400)
  expect(left).toEqual(ids.toSorted().slice(400 - left.length))
})
