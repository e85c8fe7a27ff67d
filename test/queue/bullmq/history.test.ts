// History in Redis: what has ended is remembered for a time and up to a size, and is then forgotten whole,
// the oldest first. What has not ended is never forgotten.

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Queue } from '../../../src/queue/port/queue.ts'
import type { MessageId } from '../../../src/queue/port/types.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { allChanges, page } from '../contract-history.ts'
import { attempt, delivered, HOUR, mailOf, send, statesOf, takeFrom, takeOne } from '../mail.ts'
import { openWorld, type World } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

/** Accepts and delivers so many. */
async function pastMail(queue: Queue, { clock }: World, count: number): Promise<MessageId[]> {
  const ids: MessageId[] = []
  for (let n = 0; n < count; n++) ids.push(await send(queue, clock))
  const { lease, delivery } = await takeOne(queue)
  let hand = delivery
  for (let n = 0; n < count; n++) {
    await queue.settle(hand, attempt(clock, hand, delivered))
    if (n + 1 < count) hand = await takeFrom(queue, lease)
  }
  await queue.release(lease)
  return ids
}

/** What is left of messages, whether they have ended or not. */
async function traces({ redis, prefix }: World): Promise<string[]> {
  const keys = await redis.keys(`${prefix}/*`)
  const ours = /^\/(m\/|c\/|alias\/|to$|from$|done$|live$|alarm$|count$|taken$|held)/
  return keys.map((key) => key.slice(prefix.length)).filter((key) => ours.test(key))
}

test('what ended longer ago than history goes back is forgotten without a trace', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open({ historyAge: HOUR })
  const derived = 'N0123456789abcdef01234567' as MessageId
  await queue.accept(
    await mailOf(queue, clock, { id: derived, to: ['a@far.example', 'b@x.example'] }),
  )
  for (let n = 0; n < 2; n++) {
    const { delivery } = await takeOne(queue)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
  }
  await world.round(HOUR)
  expect(await statesOf(queue, derived)).toEqual(['delivered', 'delivered'])
  expect(await traces(world)).toContain(`/alias/${derived}`)
  await world.round()
  expect(await queue.trace(derived)).toBeUndefined()
  expect((await queue.find({}, { limit: 5 })).entries).toEqual([])
  expect(await traces(world)).toEqual([])
})

test('what was accepted long ago and ended lately stays, and what has not ended too', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open({ historyAge: HOUR })
  const late = await send(queue, clock)
  const waiting = await send(queue, clock, { due: clock.now() + 100 * HOUR })
  clock.pass(5 * HOUR)
  const { delivery } = await takeOne(queue)
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await world.round()
  expect(await statesOf(queue, late)).toEqual(['delivered'])
  await world.round(HOUR)
  expect(await queue.trace(late)).toBeUndefined()
  expect(await statesOf(queue, waiting)).toEqual(['waiting'])
})

test('a long history is forgotten in one round, and behind what ended lately too', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open({ historyAge: HOUR })
  await send(queue, clock)
  const { delivery } = await takeOne(queue)
  await pastMail(queue, world, 350)
  clock.pass(2 * HOUR)
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await world.round()
  expect(await redis.zrange(`${prefix}/done`, '0', '-1')).toEqual([delivery.message])
})

test('history that is too large is forgotten from its oldest end, and no more than is needed', async () => {
  await using world = await openWorld(server)
  const size = 300 * 1900
  const queue = await world.open({ historySize: size })
  const ids = await pastMail(queue, world, 500)
  await world.round()
  const left = await world.redis.zrange(`${world.prefix}/done`, '0', '-1')
  expect(left).toEqual(ids.toSorted().slice(200))
})

test('the order over all goes as far back as history, and says so to whoever comes later', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open({ historyAge: 0 })
  const before = await page(queue, 'oldest')
  await send(queue, clock)
  const late = await page(queue, 'oldest')
  await send(queue, clock)
  const end = await page(queue, 'newest')
  await world.round()
  const gone = await queue.changes(before, 5)
  if (gone.kind !== 'gone') throw new Error('It should be gone')
  expect(await queue.changes(late, 5)).toEqual(gone)
  expect({ cursor: gone.oldest }).toEqual(end)
  expect(await page(queue, end)).toEqual(end)
  const id = await send(queue, clock)
  expect(await queue.changes(end, 5)).toMatchObject({ changes: [{ message: id }] })
})

test('an entry of many facts is read in pieces', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const mails = await Promise.all(Array.from({ length: 20 }, () => mailOf(queue, clock, {})))
  await Promise.all(mails.map((mail) => queue.accept(mail)))
  expect(await world.redis.xlen(`${world.prefix}/changes`)).toBeLessThan(5)
  const all = await allChanges(queue)
  expect(all.map(({ message }) => message)).toEqual(mails.map(({ id }) => id))
  expect(await allChanges(queue, 3)).toEqual(all)
})

test('a key that was used is forgotten after its time, and its message is not', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  const [short, long] = [clock.now() + HOUR, clock.now() + 3 * HOUR]
  const id = await send(queue, clock, { once: { key: 'short', until: short } })
  await send(queue, clock, { once: { key: 'long', until: long } })
  await world.round(HOUR - 1)
  expect(await redis.zcard(`${prefix}/once-until`)).toBe(2)
  await world.round()
  expect(await redis.zrange(`${prefix}/once-until`, '0', '-1')).toEqual(['long'])
  expect(await redis.hkeys(`${prefix}/once`)).toEqual(['long'])
  expect(await statesOf(queue, id)).toEqual(['waiting'])
})
