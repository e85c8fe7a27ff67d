// Redis goes away, stopped or killed, and comes back: meanwhile nothing is promised, and afterwards whoever
// was at work is heard before anything is handed out again.

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Queue } from '../../../src/queue/port/queue.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, claimOne, deferred, delivered, mailOf, send, statesOf } from '../mail.ts'
import { lane } from '../mail.ts'
import { takeFrom, takeOne } from '../mail.ts'
import { cutAll, LEASE, notes, openWorld, whenAway, whenBack } from './world.ts'

let server: RedisServer
beforeEach(async () => void (server = await startRedis()))
afterEach(() => server[Symbol.asyncDispose]())

const AWAY = { name: 'QueueError', kind: 'failing' }

async function restart(...queues: Queue[]): Promise<void> {
  await server.kill()
  await Promise.all(queues.map(whenAway))
  await server.start()
  await Promise.all(queues.map(whenBack))
}

test('while Redis is killed every step fails at once, and the relay says what it knows', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const mail = await mailOf(queue, world.clock, {})
  await send(queue, world.clock)
  const lease = await claimOne(queue)
  await server.kill()
  await whenAway(queue)
  const steps = [
    queue.accept(mail),
    queue.store(queue.newId(), Buffer.alloc(400_000)),
    queue.claim(1),
    queue.renew([lease]),
    queue.take(lease),
    queue.release(lease),
    queue.overdue('expire', 1),
    queue.borrow!([{ site: 'here mx', held: 0, wanted: 1, limit: 1 }]),
    queue.find({}, { limit: 1 }),
  ]
  for (const step of await Promise.allSettled(steps)) expect(step.status).toBe('rejected')
  await expect(queue.accept(mail)).rejects.toMatchObject(AWAY)
  expect((await queue.engine()).trouble).toContain('Redis is away: ')
  expect(notes(world)).toEqual(['Redis is away: no mail is taken until it is back'])
})

test('what is on its way to a Redis that dies fails, and is not accepted afterwards', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const mails = await Promise.all(Array.from({ length: 5 }, () => mailOf(queue, world.clock, {})))
  server.freeze()
  const accepting = Promise.allSettled(mails.map((mail) => queue.accept(mail)))
  await server.kill()
  for (const each of await accepting)
    expect(each).toMatchObject({ status: 'rejected', reason: AWAY })
  await server.start()
  await whenBack(queue)
  for (const { id } of mails) expect(await statesOf(queue, id)).toEqual([])
  expect(await queue.claim(5)).toEqual([])
  for (const mail of mails) await queue.accept(mail)
  const leases = await queue.claim(9)
  const taken = []
  for (const lease of leases) taken.push((await takeFrom(queue, lease)).message)
  expect(taken.toSorted()).toEqual(mails.map(({ id }) => id).toSorted())
})

test('what waits for a Redis that is stopped is accepted once when it goes on', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const mails = await Promise.all(Array.from({ length: 5 }, () => mailOf(queue, world.clock, {})))
  server.freeze()
  const accepting = mails.map((mail) => queue.accept(mail))
  server.thaw()
  expect(await Promise.all(accepting)).toEqual(mails.map(({ id }) => id))
  expect((await queue.find({}, { limit: 9 })).entries).toHaveLength(5)
})

test('a Redis that answers no more counts as away, and what it does later is taken back', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const mail = await mailOf(queue, world.clock, {})
  server.freeze()
  try {
    await expect(queue.accept(mail)).rejects.toMatchObject(AWAY)
    await whenAway(queue)
    await expect(queue.accept(mail)).rejects.toThrow('Redis is away: ')
  } finally {
    server.thaw()
  }
  await whenBack(queue)
  expect(await statesOf(queue, mail.id)).toEqual([])
  expect(await queue.claim(5)).toEqual([])
  expect(await statesOf(queue, await queue.accept(mail))).toEqual(['waiting'])
}, 40_000)

test('after a restart the accepted mail is all there', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const large = Buffer.alloc(700_000, 'large')
  const ids = [await send(queue, world.clock), await send(queue, world.clock, { content: large })]
  await restart(queue)
  for (const id of ids) expect(await statesOf(queue, id)).toEqual(['waiting'])
  expect(await queue.claim(2)).toHaveLength(2)
  expect(notes(world).at(-1)).toMatch(/^Redis is back after \d+\.\d s; every message is synced/)
})

test('for one lease after a restart nothing is claimed and nothing counts as stalled', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const [one, other] = [await world.open(), await world.open()]
  const id = await send(one, clock)
  const waiting = await send(one, clock, { to: ['x@other.example'] })
  const { lease, delivery } = await takeOne(one)
  await restart(one, other)

  expect((await other.trace(waiting))!.suspended).toEqual([
    {
      lane: 'other.example',
      until: clock.now() + LEASE,
      reason: 'Redis was restarted, and whoever was at work says first what came of it',
      cause: 'other',
      since: clock.now(),
    },
  ])
  expect(await other.claim(5)).toEqual([])
  expect(await other.nextDue()).toBe(clock.now() + LEASE)
  clock.pass(LEASE - 1)
  expect(await other.claim(5)).toEqual([])
  expect(await statesOf(other, id)).toEqual(['sending'])
  // Whoever was at work is heard meanwhile.
  await one.renew([lease])
  await one.settle(delivery, attempt(clock, delivery, delivered))
  expect(await statesOf(other, id)).toEqual(['delivered'])
  clock.pass(1)
  expect((await other.trace(waiting))!.suspended).toEqual([])
  expect((await other.claim(5)).map(({ lane }) => lane)).toEqual(['other.example'])
  expect((await other.trace(id))!.facts.map(({ kind }) => kind)).toEqual(['accepted', 'settled'])
})

test('a restart while nobody is at work makes nobody wait', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  await send(queue, world.clock)
  await restart(queue)
  expect(await queue.claim(1)).toHaveLength(1)
})

test('a connection that is lost while the server goes on makes nobody wait', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  await send(queue, world.clock)
  await send(queue, world.clock, { to: ['x@other.example'] })
  await takeOne(queue)
  await cutAll(world)
  await whenAway(queue)
  await whenBack(queue)
  expect(await queue.claim(1)).toHaveLength(1)
})

test('outcomes of the time without Redis are written when it is back, each once', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const ids = [await send(queue, clock), await send(queue, clock), await send(queue, clock)]
  const { lease, delivery } = await takeOne(queue)
  const second = await takeFrom(queue, lease)
  await server.kill()
  await whenAway(queue)
  const due = clock.now() + 5 * LEASE
  const outcomes = [
    [delivery, attempt(clock, delivery, delivered)],
    [second, attempt(clock, second, (n) => deferred(n, due))],
  ] as const
  for (const [each, settlement] of outcomes)
    await expect(queue.settle(each, settlement, lease)).rejects.toMatchObject(AWAY)
  await server.start()
  await whenBack(queue)

  for (const [each, settlement] of outcomes) await queue.settle(each, settlement)
  expect(await statesOf(queue, ids[0]!)).toEqual(['delivered'])
  const [entry] = (await queue.trace(ids[1]!))!.entries
  expect(entry).toMatchObject({ state: 'waiting', attempts: 1, next: due })
  // The lease still holds: its lane goes on.
  expect(await takeFrom(queue, lease)).toMatchObject({
    message: ids[2],
    recipients: [{ attempts: 0 }],
  })
})

test('a process that never returns after a restart is buried one lease later', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const dead = await world.openFrozen()
  const id = await send(dead, clock)
  await takeOne(dead)
  const queue = await world.open()
  await restart(queue, dead)
  clock.pass(LEASE - 1)
  expect(await queue.claim(1)).toEqual([])
  await world.round()
  const { delivery } = await takeOne(queue)
  expect(delivery).toMatchObject({ message: id, last: { kind: 'interrupted' } })
})

test('a relay does not start without Redis, and says what to look at', async () => {
  await using world = await openWorld(server)
  await server.kill()
  await expect(world.open()).rejects.toThrow(
    /^Cannot reach Redis at redis:\/\/127.0.0.1:\d+\/0: .*ECONNREFUSED.*; does it run, and is WAYPOST_REDIS right\?$/,
  )
})

test('a lane that is full no more while Redis is away is claimed when it is back', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  queue.full([lane('far.example'), lane('other.example')], true)
  await send(queue, world.clock)
  expect(await queue.claim(5)).toEqual([])
  await server.kill()
  await whenAway(queue)
  queue.full([lane('far.example')], false)
  await server.start()
  await whenBack(queue)
  expect((await queue.claim(5)).map((lease) => lease.lane)).toEqual(['far.example'])
})
