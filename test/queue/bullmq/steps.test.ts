// What many ask for at once is one call of Redis: BullMQ's own scripts move the jobs in it, what goes wrong with one
// step is told to that one alone, and steps of one call see what those before them have done.

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { NewMail } from '../../../src/queue/port/intake.ts'
import type { Delivery } from '../../../src/queue/port/outflow.ts'
import type { Queue } from '../../../src/queue/port/queue.ts'
import type { MessageId } from '../../../src/queue/port/types.ts'
import { FULL } from '../../peers/chance.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, deferred, delivered, HOUR, mailOf, send, takeFrom, takeOne } from '../mail.ts'
import { openWorld, type World } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

/** What BullMQ has told of a job, in order. */
async function eventsOf({ redis, prefix }: World, job: string): Promise<string[]> {
  const entries = await redis.xrange(`${prefix}/events`, '-', '+')
  const told = entries.map(([, words]) => new Map(words.map((word, at) => [word, words[at + 1]!])))
  return told.filter((event) => event.get('jobId') === job).map((event) => event.get('event')!)
}

async function takeAll(queue: Queue, count: number): Promise<Delivery[]> {
  const { lease, delivery } = await takeOne(queue)
  const taken = [delivery]
  while (taken.length < count) taken.push(await takeFrom(queue, lease))
  return taken
}

async function manyMails(queue: Queue, { clock }: World, count: number): Promise<NewMail[]> {
  return Promise.all(Array.from({ length: count }, () => mailOf(queue, clock, {})))
}

/** Redis has something else where the record of this message belongs. */
async function spoil({ redis, prefix }: World, id: MessageId): Promise<void> {
  await redis.set(`${prefix}/m/${id}`, 'something else')
}

/** Which of them were rejected. */
async function rejectedOf(work: readonly Promise<unknown>[]): Promise<number[]> {
  const ended = await Promise.allSettled(work)
  return ended.flatMap(({ status }, at) => (status === 'rejected' ? [at] : []))
}

async function callsOf({ redis }: World): Promise<number> {
  return Number(/cmdstat_fcall:calls=(\d+)/.exec(await redis.info('commandstats'))![1])
}

test('jobs are added, taken, put off and ended by BullMQ itself', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const id = await send(queue, clock)
  const { lease, delivery } = await takeOne(queue)
  const due = clock.now() + HOUR
  await queue.settle(
    delivery,
    attempt(clock, delivery, (n) => deferred(n, due)),
  )
  await queue.release(lease)
  clock.pass(HOUR)
  const again = await takeOne(queue)
  await queue.settle(again.delivery, attempt(clock, again.delivery, delivered), again.lease)
  const life = ['added', 'waiting', 'active', 'delayed', 'active', 'completed']
  expect(await eventsOf(world, `${id}-1`)).toEqual(life)
})

test('mail that cannot be accepted is refused alone, whatever shares its call', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const mails = await manyMails(queue, world, 20)
  await spoil(world, mails[7]!.id)
  const before = await callsOf(world)
  const accepting = mails.map((mail) => queue.accept(mail))
  expect(await rejectedOf(accepting)).toEqual([7])
  expect((await callsOf(world)) - before).toBeLessThan(mails.length)
  await expect(accepting[7]).rejects.toMatchObject({
    kind: 'failing',
    message: expect.stringContaining('WRONGTYPE'),
  })
  expect(await queue.counts('destination')).toEqual([{ key: 'far.example', count: 19 }])
  // Its job is a pointer to nothing, which is dropped when it is met.
  await world.redis.del(`${world.prefix}/m/${mails[7]!.id}`)
  expect(await takeAll(queue, 19)).toHaveLength(19)
})

test('an outcome that cannot be written is an error of that attempt alone', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  for (let n = 0; n < 20; n++) await send(queue, clock)
  const taken = await takeAll(queue, 20)
  await spoil(world, taken[7]!.message)
  const settling = taken.map((each) => queue.settle(each, attempt(clock, each, delivered)))
  expect(await rejectedOf(settling)).toEqual([7])
  expect(await queue.counts('destination')).toEqual([{ key: 'far.example', count: 1 }])
})

test('words that Redis cannot read are an error of one step alone', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  for (let n = 0; n < 6; n++) await send(queue, clock)
  const taken = await takeAll(queue, 6)
  const half = '\ud83d'
  const settling = taken.map((each, at) => {
    const text = at === 2 ? `half a character: ${half}` : 'later'
    const due = clock.now() + HOUR
    return queue.settle(
      each,
      attempt(clock, each, (n) => deferred(n, due, text)),
    )
  })
  expect(await rejectedOf(settling)).toEqual([2])
})

test('mail that is accepted again while its time is up is not sent as well', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const mail = await mailOf(queue, clock, {})
  await queue.accept(mail)
  clock.pass(30 * 24 * HOUR)
  const [expired] = await queue.overdue('expire', 10)
  expect(expired).toMatchObject({ message: mail.id })
  expect(await queue.accept(mail)).toBe(mail.id)
  expect(await queue.claim(1)).toEqual([])
})

test('the same mail twice in one call is one message', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  const mail = await mailOf(queue, clock, {})
  const before = await callsOf(world)
  expect(await Promise.all([queue.accept(mail), queue.accept(mail)])).toEqual([mail.id, mail.id])
  expect((await callsOf(world)) - before).toBe(1)
  expect(await queue.counts('destination')).toEqual([{ key: 'far.example', count: 1 }])
  const [only] = await takeAll(queue, 1)
  await queue.settle(only!, attempt(clock, only!, delivered))
  expect(await queue.counts('destination')).toEqual([])
  expect(await redis.hlen(`${prefix}/count`)).toBe(0)
  expect(await redis.exists(`${prefix}/c/${mail.id}`)).toBe(0)
})

test('a message of many recipients is written and ended in one call', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  const to = Array.from({ length: 3000 }, (_, n) => `r${n}@far.example`)
  const mail = await mailOf(queue, clock, { to })
  await queue.accept(mail)
  expect(await redis.zcard(`${prefix}/to`)).toBe(3000)
  const [only] = await takeAll(queue, 1)
  await queue.settle(only!, attempt(clock, only!, delivered))
  expect(await queue.counts('state')).toEqual([])
})

// Lua hands on 8000 values at most.
const MANY = FULL ? 20_000 : 9000

test('a message to thousands of destinations is written in one call', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const to = Array.from({ length: MANY }, (_, n) => `ana@d${n}.example`)
  const mail = await mailOf(queue, clock, { to })
  await queue.accept(mail)
  expect((await queue.trace(mail.id))!.entries).toHaveLength(MANY)
  const leases = await queue.claim(3)
  const taken = await Promise.all(leases.map((lease) => takeFrom(queue, lease)))
  await Promise.all(taken.map((each) => queue.settle(each, attempt(clock, each, delivered))))
  expect(await queue.counts('state')).toEqual([{ key: 'waiting', count: MANY - 3 }])
})
