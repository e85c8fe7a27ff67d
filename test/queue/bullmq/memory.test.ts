// The memory of Redis: history gives way first, then no new mail is taken, long before the server
// refuses to write anything new.

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Queue } from '../../../src/queue/port/queue.ts'
import { until } from '../../peers/patience.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, claimOne, deferred, delivered, ends, HOUR, mailOf, send } from '../mail.ts'
import { statesOf, takeFrom, takeOne } from '../mail.ts'
import { LEASE, openWorld, type World } from './world.ts'

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

test('where Redis refuses to write at all, what was taken comes to its end, and nothing begins', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const ids = []
  for (let n = 0; n < 4; n++) ids.push(await send(queue, clock, { expireAt: clock.now() + HOUR }))
  const mail = await mailOf(queue, clock, {})
  const { lease, delivery } = await takeOne(queue)
  const [second, third] = [await takeFrom(queue, lease), await takeFrom(queue, lease)]
  await use(1.2, world)
  await expect(world.redis.set('somebody', 'else')).rejects.toThrow('OOM')
  const refused = await Promise.allSettled([queue.accept(mail), queue.take(lease)])
  for (const each of refused) expect(each).toMatchObject({ status: 'rejected', reason: FULL })

  const settlement = attempt(clock, delivery, delivered)
  expect(await queue.settle(delivery, settlement, lease)).toBeUndefined()
  expect(await statesOf(queue, ids[0]!)).toEqual(['delivered'])
  const due = clock.now() + 2000
  await queue.settle(
    second,
    attempt(clock, second, (n) => deferred(n, due)),
  )
  // The third is still being sent.
  clock.pass(LEASE - 1)
  await queue.renew([lease])
  clock.pass(1)
  expect(await queue.claim(5)).toHaveLength(2)
  expect(await statesOf(queue, ids[2]!)).toEqual(['sending'])
  clock.pass(HOUR)
  await queue.renew([lease])
  const overdue = await queue.overdue('expire', 5)
  expect(overdue.map(({ message }) => message).toSorted()).toEqual([ids[1], ids[3]])
  for (const each of overdue)
    await queue.settle(each, ends(clock, each, { kind: 'end', end: 'expired' }))
  await queue.settle(third, attempt(clock, third, delivered))
  await queue.release(lease)
  expect(await queue.counts('state')).toEqual([])

  await use(0.5, world)
  await looked(queue, world, undefined)
  await queue.accept(mail)
  expect(await queue.claim(5)).toHaveLength(1)
})

test('a notice waits, with the outcome that it tells of, until Redis writes again', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const id = await send(queue, clock)
  const { delivery } = await takeOne(queue)
  const notice = await mailOf(queue, clock, { from: '', to: ['ana@near.example'] })
  const bounced = ends(clock, delivery, { kind: 'end', end: 'bounced', notice: 'sent' })
  const settlement = { ...bounced, notices: [notice] }
  await use(1.2, world)
  await expect(queue.settle(delivery, settlement)).rejects.toMatchObject(FULL)
  expect(await statesOf(queue, id)).toEqual(['sending'])
  await use(0.5, world)
  await queue.settle(delivery, settlement)
  expect(await statesOf(queue, id)).toEqual(['bounced'])
  expect((await takeOne(queue)).delivery.message).toBe(notice.id)
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
