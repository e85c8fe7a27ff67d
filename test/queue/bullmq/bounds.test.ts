// No step of a script goes through all that there is: while one runs, nobody else is served. Counted, not
// timed: what one call looked at or changed of very many lanes, deliveries or leases.

import type { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Destination } from '../../../src/mail/destination.ts'
import type { Lease } from '../../../src/queue/port/outflow.ts'
import type { Queue } from '../../../src/queue/port/queue.ts'
import { until } from '../../peers/patience.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { mailOf, HOUR, send } from '../mail.ts'
import { LEASE, openWorld, type World } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis({ settings: { appendfsync: 'everysec' } })))
afterAll(() => server[Symbol.asyncDispose]())

const RELAXED = { wish: { replicas: 0, relaxed: true } }

function lanes(count: number): Destination[] {
  return Array.from({ length: count }, (_, n) => `far${n}.example` as Destination)
}

/** One message in each lane. */
async function fill(queue: Queue, { clock }: World, all: readonly Destination[]): Promise<void> {
  for (let at = 0; at < all.length; at += 500) {
    const mails = all
      .slice(at, at + 500)
      .map((destination) => mailOf(queue, clock, { destination }))
    await Promise.all((await Promise.all(mails)).map((mail) => queue.accept(mail)))
  }
}

/** Commands that scripts gave while this went on. */
async function commandsOf(redis: Redis, work: () => Promise<unknown>): Promise<number> {
  const before = await given(redis)
  await work()
  return (await given(redis)) - before
}

async function given(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats')
  const calls = [...stats.matchAll(/^cmdstat_[^:]+:calls=(\d+)/gm)]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

test('a claim and a look go past 5000 lanes that wait elsewhere in steps of a thousand', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open(RELAXED)
  await fill(queue, world, lanes(5000))
  // Each is said to be due and is suspended, as it is in the index of a server that was restored.
  const until = clock.now() + HOUR
  const stop = JSON.stringify({ until, reason: 'no host answers' })
  const suspending = redis.pipeline()
  for (const lane of lanes(5000)) suspending.hset(`${prefix}/suspended`, lane, stop)
  await suspending.exec()
  clock.pass(1)
  await send(queue, clock, { to: ['x@last.example'] })

  let claims = 0
  let leases: Lease[] = []
  while (leases.length === 0 && claims < 20) {
    const commands = await commandsOf(redis, async () => {
      leases = await queue.claim(10)
      if (leases.length === 0) expect(await queue.nextDue()).toBe(clock.now())
    })
    expect(commands).toBeLessThan(2 * 1000 * 20)
    claims++
  }
  expect(leases.map(({ lane }) => lane)).toEqual(['last.example'])
  expect(claims).toBeGreaterThan(1)
  expect(await queue.nextDue()).toBe(until)
})

test('a claim passes 3000 full lanes once, and the next goes on where it was', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open(RELAXED)
  for (let n = 0; n < 6; n++) {
    await fill(queue, world, lanes(3000).slice(n * 500, (n + 1) * 500))
    clock.pass(1500)
  }
  queue.full(lanes(3000), true)
  const told = `${prefix}/full/${(await queue.processes())[0]!.id}`
  await until(
    async () => (await redis.scard(told)) === 3000,
    () => 'full lanes to be told',
  )
  const claimLast = async (): Promise<void> => {
    expect((await queue.claim(10)).map(({ lane }) => lane)).toEqual(['last.example'])
  }
  await send(queue, clock, { to: ['x@last.example'] })
  expect(await commandsOf(redis, claimLast)).toBeLessThan(3000 * 1.1)
  await send(queue, clock, { to: ['y@last.example'] })
  expect(await commandsOf(redis, claimLast)).toBeLessThan(500 * 1.5)
})

test('a backlog that falls due at once is promoted a few at a time', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open(RELAXED)
  const due = clock.now() + HOUR
  for (let at = 0; at < 2000; at += 500) {
    const mails = Array.from({ length: 500 }, () => mailOf(queue, clock, { due }))
    await Promise.all((await Promise.all(mails)).map((mail) => queue.accept(mail)))
  }
  clock.pass(HOUR)
  const commands = await commandsOf(redis, () => queue.claim(1))
  expect(commands).toBeLessThan(500)
  const ready = await redis.zcard(`${prefix}:far.example:prioritized`)
  expect(ready).toBeGreaterThan(0)
  expect(ready).toBeLessThan(200)
})

test('of very many leases that lapse at once some come back with each call, until all have', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open(RELAXED)
  await fill(queue, world, lanes(400))
  expect(await queue.claim(400)).toHaveLength(400)
  clock.pass(LEASE)
  await queue.nextDue()
  const left = await redis.zcard(`${prefix}/leases`)
  expect(left).toBeGreaterThanOrEqual(200)
  for (let n = 0; n < 10; n++) await queue.nextDue()
  expect(await redis.zcard(`${prefix}/leases`)).toBe(0)
  expect(await queue.claim(400)).toHaveLength(400)
})

test('what is overdue is handed out as many as were asked for, of however many', async () => {
  await using world = await openWorld(server)
  const { clock, redis } = world
  const queue = await world.open(RELAXED)
  const mails = Array.from({ length: 1500 }, () =>
    mailOf(queue, clock, { warnAt: clock.now() + 1, expireAt: clock.now() + HOUR }),
  )
  await Promise.all((await Promise.all(mails)).map((mail) => queue.accept(mail)))
  clock.pass(1)
  const none = await commandsOf(redis, () => queue.overdue('expire', 10))
  expect(none).toBeLessThan(1000 * 4)
  expect(await queue.overdue('warn', 10)).toHaveLength(10)
})

test('a round of upkeep looks at a few hundred lanes and messages, and goes on in the next', async () => {
  await using world = await openWorld(server)
  const queue = await world.open(RELAXED)
  await fill(queue, world, lanes(3000))
  const commands = await commandsOf(world.redis, () => world.round())
  expect(commands).toBeLessThan(6000)
})
