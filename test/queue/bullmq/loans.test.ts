// Connections of a site that processes of one source share: never more than its limit in all, each its
// share, and what a dead process had is lent again.

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Loan } from '../../../src/queue/port/outflow.ts'
import type { Queue } from '../../../src/queue/port/queue.ts'
import { chance } from '../../peers/chance.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { LEASE, openWorld } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

const SITE = 'source.example mx.far.example'

async function borrow(queue: Queue, wish: Omit<Loan, 'site'>, site = SITE): Promise<number> {
  const [lent] = await queue.borrow!([{ site, ...wish }])
  return lent!
}

test('one process alone has all that it wants, up to the limit', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  expect(await borrow(queue, { held: 0, wanted: 3, limit: 10 })).toBe(3)
  expect(await borrow(queue, { held: 3, wanted: 30, limit: 10 })).toBe(10)
})

test('who comes later has what is free, and its share as soon as it is given back', async () => {
  await using world = await openWorld(server)
  const [one, other] = [await world.open(), await world.open()]
  expect(await borrow(one, { held: 0, wanted: 10, limit: 10 })).toBe(10)
  expect(await borrow(other, { held: 0, wanted: 10, limit: 10 })).toBe(0)
  // Of what it has, one is to give back five.
  expect(await borrow(one, { held: 10, wanted: 10, limit: 10 })).toBe(5)
  expect(await borrow(other, { held: 0, wanted: 10, limit: 10 })).toBe(0)
  expect(await borrow(one, { held: 5, wanted: 10, limit: 10 })).toBe(5)
  expect(await borrow(other, { held: 0, wanted: 10, limit: 10 })).toBe(5)
})

test('a share that nobody wants is lent to whoever does', async () => {
  await using world = await openWorld(server)
  const [one, other] = [await world.open(), await world.open()]
  expect(await borrow(one, { held: 0, wanted: 2, limit: 10 })).toBe(2)
  expect(await borrow(other, { held: 0, wanted: 10, limit: 10 })).toBe(8)
})

test('sites and sources have limits of their own', async () => {
  await using world = await openWorld(server)
  const [one, other] = [await world.open(), await world.open()]
  const wish = { held: 0, wanted: 5, limit: 5 }
  expect(await borrow(one, wish)).toBe(5)
  expect(await borrow(other, wish, 'other.example mx.far.example')).toBe(5)
  const sites = ['a mx', 'b mx', 'c mx']
  expect(await other.borrow!(sites.map((site) => ({ site, ...wish })))).toEqual([5, 5, 5])
})

test('what a dead process had is lent again, and the living keep theirs', async () => {
  await using world = await openWorld(server)
  const dead = await world.openFrozen()
  const queue = await world.open()
  expect(await borrow(dead, { held: 0, wanted: 6, limit: 10 })).toBe(6)
  expect(await borrow(queue, { held: 0, wanted: 10, limit: 10 })).toBe(4)
  world.clock.pass(LEASE - 1)
  expect(await borrow(queue, { held: 4, wanted: 10, limit: 10 })).toBe(4)
  world.clock.pass(1)
  expect(await borrow(queue, { held: 4, wanted: 10, limit: 10 })).toBe(10)
})

test('what a process had that said farewell is lent again at once', async () => {
  await using world = await openWorld(server)
  const [one, other] = [await world.open(), await world.open()]
  await borrow(one, { held: 0, wanted: 10, limit: 10 })
  await one[Symbol.asyncDispose]()
  expect(await borrow(other, { held: 0, wanted: 10, limit: 10 })).toBe(10)
})

test('with more processes than connections the limit holds, and none is kept', async () => {
  await using world = await openWorld(server)
  const queues = [await world.open(), await world.open(), await world.open()]
  const lent = []
  for (const queue of queues) lent.push(await borrow(queue, { held: 0, wanted: 1, limit: 2 }))
  expect(lent).toEqual([1, 1, 0])
  // The first has no use for its own any more.
  expect(await borrow(queues[0]!, { held: 0, wanted: 0, limit: 2 })).toBe(0)
  expect(await borrow(queues[2]!, { held: 0, wanted: 1, limit: 2 })).toBe(1)
  expect(await world.redis.hkeys(`${world.prefix}/site/${SITE}`)).toHaveLength(2)
})

test('whoever asks for whatever, they never have more than the limit', async () => {
  await using world = await openWorld(server)
  const lots = chance()
  const below = (limit: number): number => Math.floor(lots() * limit)
  const limit = 7
  const all = await Promise.all(
    Array.from({ length: 4 }, async () => ({ queue: await world.open(), held: 0, may: 0 })),
  )
  let best = 0
  for (let step = 0; step < 400; step++) {
    const one = all[below(all.length)]!
    // Connections are made up to what it may have, and end when they end.
    if (lots() < 0.5) one.held = Math.max(one.held, below(one.may + 1))
    else one.held = below(one.held + 1)
    one.may = await borrow(one.queue, { held: one.held, wanted: below(10), limit })
    const most = all.reduce((sum, { held, may }) => sum + Math.max(held, may), 0)
    expect(most).toBeLessThanOrEqual(limit)
    best = Math.max(best, most)
  }
  expect(best).toBe(limit)
  // Everybody wants all: once each has given back, each has its share.
  for (let turn = 0; turn < 3; turn++)
    for (const one of all) {
      one.held = Math.min(one.held, one.may)
      one.held = one.may = await borrow(one.queue, { held: one.held, wanted: 10, limit })
    }
  expect(Math.min(...all.map(({ may }) => may))).toBeGreaterThanOrEqual(1)
})
