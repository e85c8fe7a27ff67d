// Acceptance whose answer was lost with the connection: its client is told to send again, so what Redis has
// of it is taken back when Redis is there again, whole and without a trace.

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Queue } from '../../../src/queue/port/queue.ts'
import { until } from '../../peers/patience.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, delivered, HOUR, mailOf, send, statesOf, takeOne, WHO } from '../mail.ts'
import { lose, startWire, type Wire } from './wire.ts'
import { openWorld, whenBack, type World } from './world.ts'

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

test('mail whose acceptance was not answered is taken back whole', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const to = ['bo@far.example', 'cy@other.example']
  const mail = await mailOf(queue, world.clock, { to })
  await lose(wire, queue, '"accept"', () => queue.accept(mail))
  expect(await queue.find({}, { limit: 5 })).toMatchObject({ entries: [] })
  expect(await queue.claim(5)).toEqual([])
  expect(await everything(world)).toEqual([])
  await send(queue, world.clock, { to })
  expect(await queue.claim(5)).toHaveLength(2)
})

test('large content, a key and a hold do not outlive mail that was taken back', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const { clock, redis, prefix } = world
  await queue.hold({ kind: 'queue', name: 'default' }, WHO)
  const once = { key: 'otp-1', until: clock.now() + HOUR }
  const content = Buffer.alloc(600_000, 'x')
  const mail = await mailOf(queue, clock, { content, once })
  await lose(wire, queue, '"accept"', () => queue.accept(mail))
  expect(await redis.keys(`${prefix}/c/*`)).toEqual([])
  expect(await queue.counts('state')).toEqual([])
  // Its client sends it again.
  const id = await send(queue, clock, { content, once })
  expect(await statesOf(queue, id)).toEqual(['held'])
})

test('mail that is derived from other mail can be handed in again after it was taken back', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const id = 'N0123456789abcdef01234567' as ReturnType<Queue['newId']>
  const mail = await mailOf(queue, world.clock, { id })
  await lose(wire, queue, '"accept"', () => queue.accept(mail))
  const kept = await queue.accept(mail)
  expect(await statesOf(queue, kept)).toEqual(['waiting'])
  expect(await queue.claim(5)).toHaveLength(1)
})

test('mail is taken back also when the connection is lost again while it is', async () => {
  await using world = await openWorld(server, wire.url)
  const queue = await world.open()
  const mails = await Promise.all([1, 2, 3].map(() => mailOf(queue, world.clock, {})))
  wire.loseAnswerTo('"accept"')
  const accepting = await Promise.allSettled(mails.map((mail) => queue.accept(mail)))
  expect(accepting.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  wire.loseAnswerTo('_withdraw')
  wire.mend()
  await until(
    () => wire.isCut(),
    () => 'the relay to begin',
  )
  wire.mend()
  await whenBack(queue)
  expect(await everything(world)).toEqual([])
})

test('what another process has begun with is not taken back', async () => {
  await using world = await openWorld(server, wire.url)
  const [one, other] = [await world.open(), await world.open()]
  const mail = await mailOf(one, world.clock, {})
  wire.loseAnswerTo('"accept"')
  await expect(one.accept(mail)).rejects.toThrow('Cannot write the queue')
  const { delivery } = await takeOne(other)
  wire.mend()
  await whenBack(one)
  await other.settle(delivery, attempt(world.clock, delivery, delivered))
  expect(await statesOf(other, mail.id)).toEqual(['delivered'])
})

async function everything({ redis, prefix }: World): Promise<string[]> {
  const keys = await redis.keys(`${prefix}*`)
  const names = ['m', 'c', 'once', 'alias', 'live', 'to', 'from', 'count', 'alarm', 'due', 'taken']
  const ours = names.map((name) => `${prefix}/${name}`)
  return keys.filter((key) => ours.some((name) => key === name || key.startsWith(`${name}/`)))
}
