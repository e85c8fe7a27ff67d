// Answers that were lost with the connection: Redis did what it was asked, and the relay does not know.
// Nothing is done twice, and nothing stays in nobody's hand.

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startRedis, type RedisServer } from '../../peers/redis.ts'
import {
  attempt,
  claimOne,
  deferred,
  delivered,
  HOUR,
  send,
  statesOf,
  takeFrom,
  takeOne,
  WHO,
} from '../mail.ts'
import { lose, startWire, type Wire } from './wire.ts'
import { openWorld } from './world.ts'

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

test('a delivery that was taken and never arrived is handed out again, untried', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  await send(queue, world.clock)
  const lease = await claimOne(queue)
  await lose(wire, queue, '"took"', () => queue.take(lease))
  await queue.release(lease)
  const again = await takeOne(queue)
  expect(again.delivery.last).toBeUndefined()
  expect(again.delivery.recipients).toMatchObject([{ attempts: 0 }])
  expect(Buffer.from(again.delivery.content.bytes!).toString()).toContain('Hello')
})

test('an outcome that was not answered is written once, and the next delivery is not lost', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const { clock } = world
  const ids = [await send(queue, clock), await send(queue, clock)]
  const { lease, delivery } = await takeOne(queue)
  const settlement = attempt(clock, delivery, delivered)
  await lose(wire, queue, '"settle"', () => queue.settle(delivery, settlement, lease))
  await queue.settle(delivery, settlement)
  expect((await queue.trace(ids[0]!))!.entries).toMatchObject([{ state: 'delivered', attempts: 1 }])
  const next = await takeFrom(queue, lease)
  expect(next).toMatchObject({ message: ids[1], recipients: [{ attempts: 0 }] })
  await queue.settle(next, attempt(clock, next, delivered))
  await queue.release(lease)
  expect(await queue.counts('state')).toEqual([])
})

test('an attempt that was written and not answered is one attempt', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const { clock } = world
  const id = await send(queue, clock)
  const { lease, delivery } = await takeOne(queue)
  const [due, later] = [clock.now() + HOUR, clock.now() + 9 * HOUR]
  const settlement = attempt(clock, delivery, (n) => deferred(n, due))
  await lose(wire, queue, '"settle"', () => queue.settle(delivery, settlement, lease))
  expect(await queue.settle(delivery, settlement, lease)).toEqual({ kind: 'idle', until: due })
  const once = (await queue.trace(id))!
  expect(once.entries).toMatchObject([{ attempts: 1, next: due }])
  expect(once.facts.map(({ kind }) => kind)).toEqual(['accepted', 'settled'])

  // Nor does it undo what became of the delivery meanwhile.
  await queue.release(lease)
  clock.pass(HOUR)
  const again = await takeOne(queue)
  const second = attempt(clock, again.delivery, (n) => deferred(n, later))
  await queue.settle(again.delivery, second)
  await queue.settle(delivery, settlement)
  expect((await queue.trace(id))!.entries).toMatchObject([{ attempts: 2, next: later }])
})

test('what is in hand when the connection is lost stays there', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const { clock } = world
  const id = await send(queue, clock)
  await send(queue, clock)
  const { lease, delivery } = await takeOne(queue)
  await lose(wire, queue, '"took"', () => queue.take(lease))
  await queue.release(lease)
  expect(await statesOf(queue, id)).toEqual(['sending'])
  const other = await takeOne(queue)
  expect(other.delivery.message).not.toBe(id)
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  expect(await statesOf(queue, id)).toEqual(['delivered'])
})

for (const kind of ['expire', 'warn', 'refuse'] as const)
  test(`what is to ${kind} and was handed to nobody is handed out again`, async () => {
    await using world = await openWorld(server, wire.url)
    const queue = await world.open()
    const { clock } = world
    const [expireAt, warnAt] = [clock.now() + HOUR, clock.now() + 1000]
    const id = await send(queue, clock, kind === 'warn' ? { warnAt } : { expireAt })
    if (kind === 'refuse') await queue.steer('refuse', { ids: [id] }, WHO)
    clock.pass(HOUR)
    await lose(wire, queue, '_overdue', () => queue.overdue(kind, 10))
    const found = await queue.overdue(kind, 10)
    expect(found.map(({ message }) => message)).toEqual([id])
  })
