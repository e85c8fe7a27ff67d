// Large content in Redis, which is stored in pieces before its message is accepted: what is never accepted
// goes with its process, and what went is never accepted.

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, delivered, mailOf, read, send, statesOf, takeOne } from '../mail.ts'
import { LEASE, openWorld } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

test('content that was stored and never accepted goes when its process is dead, and not before', async () => {
  await using world = await openWorld(server)
  const { redis, prefix, clock } = world
  const [dead, queue] = [await world.openFrozen(), await world.open()]
  const large = Buffer.alloc(700_000, 'x')
  await mailOf(dead, clock, { content: large })
  const mine = await mailOf(queue, clock, { content: large })
  await world.round()
  expect(await redis.keys(`${prefix}/c/*`)).toHaveLength(6)
  await world.round(LEASE)
  expect(await redis.keys(`${prefix}/c/*`)).toHaveLength(3)
  expect(await redis.hkeys(`${prefix}/storing`)).toEqual([mine.id])
  await queue.accept(mine)
  expect(await redis.hlen(`${prefix}/storing`)).toBe(0)
})

test('a process that hung while its content was swept cannot have it accepted', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const [hung, queue] = [await world.openFrozen(), await world.open()]
  const content = Buffer.alloc(700_000, 'x')
  const mail = await mailOf(hung, clock, { content })
  await world.round(LEASE)
  await expect(hung.accept(mail)).rejects.toMatchObject({ name: 'QueueError', kind: 'failing' })
  expect(await statesOf(queue, mail.id)).toEqual([])
  expect(await queue.claim(5)).toEqual([])
  // Its client sends it again.
  const id = await send(hung, clock, { content })
  const { delivery } = await takeOne(queue)
  expect(delivery.message).toBe(id)
  expect(await read(queue.content(delivery.content))).toEqual(content)
})

test('large content goes with its message, and what is discarded goes at once', async () => {
  await using world = await openWorld(server)
  const { redis, prefix, clock } = world
  const queue = await world.open()
  const content = Buffer.alloc(700_000, 'x')
  await send(queue, clock, { content })
  expect(await redis.keys(`${prefix}/c/*`)).toHaveLength(3)
  const { delivery } = await takeOne(queue)
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  const mail = await mailOf(queue, clock, { content })
  await queue.discard(mail.content)
  expect(await redis.keys(`${prefix}/c/*`)).toEqual([])
  expect(await redis.hlen(`${prefix}/storing`)).toBe(0)
})

test('content whose source broke off leaves nothing behind', async () => {
  await using world = await openWorld(server)
  const { redis, prefix } = world
  const queue = await world.open()
  async function* broken(): AsyncGenerator<Buffer> {
    for (let n = 0; n < 10; n++) yield Buffer.alloc(100_000, n)
    throw new Error('the client has gone')
  }
  await expect(queue.store(queue.newId(), broken())).rejects.toThrow('the client has gone')
  expect(await redis.keys(`${prefix}/c/*`)).toEqual([])
  expect(await redis.hlen(`${prefix}/storing`)).toBe(0)
})
