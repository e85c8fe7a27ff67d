// Processes that share the queue: who they are, that they live, and what becomes of what they had when
// they do not.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { ProcessEntry } from '../../../src/queue/port/control.ts'
import { until } from '../../peers/patience.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, claimOne, deferred, delivered, HOUR, send, statesOf } from '../mail.ts'
import { lane, takeFrom, takeOne, WHO } from '../mail.ts'
import { aboutOf, LEASE, openWorld, ROUND } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

function named(all: readonly ProcessEntry[], name: string): ProcessEntry {
  return all.find((entry) => entry.name === name)!
}

test('each process is in the list with what it does, what it has and when it was heard', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const one = await world.open({ about: () => aboutOf({ name: 'one', version: '1.2.3' }) })
  const startedAt = clock.now()
  clock.pass(1000)
  const listeners = ['smtp://127.0.0.1:2525']
  const other = await world.open({
    about: () => aboutOf({ name: 'other', roles: ['admin'], sources: [], listeners }),
  })
  await send(one, clock)
  await takeOne(one)
  clock.pass(LEASE / 6)
  await until(
    async () => (await other.processes()).every(({ seenAt }) => seenAt === clock.now()),
    () => 'both to give a sign of life',
  )
  const common = { pid: process.pid, hostname: 'relay.test', seenAt: clock.now(), isDead: false }
  const [first, second] = await other.processes()
  expect(first).toMatchObject({ name: 'one', version: '1.2.3', leases: 1, startedAt, ...common })
  expect(second).toMatchObject({
    name: 'other',
    roles: ['admin'],
    sources: [],
    leases: 0,
    listeners,
  })
  expect(Object.keys(first!)).not.toContain('home')
  expect(await one.processes()).toEqual([first, second])
})

test('a process says once that Redis was emptied beneath it, and not that it died', async () => {
  await using world = await openWorld(server)
  const { clock, redis, told } = world
  await world.open()
  const emptied = (): string[] =>
    told.flatMap((event) =>
      event.kind === 'note' && event.text.startsWith('Redis was emptied') ? [event.level] : [],
    )
  const seen = async (): Promise<boolean> => {
    const texts = Object.values(await redis.hgetall(`${world.prefix}/processes`))
    return texts.some((text) => (JSON.parse(text) as ProcessEntry).seenAt === clock.now())
  }
  clock.pass(LEASE / 6)
  await until(seen, () => 'a sign of life')
  expect(emptied()).toEqual([])
  await redis.flushall()
  for (let n = 0; n < 2; n++) {
    clock.pass(LEASE / 6)
    await until(seen, () => 'a sign of life')
  }
  expect(emptied()).toEqual(['error'])
})

test('a trace says of a lane that it has no connection left when that is so for all who deliver', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const [one, other] = [await world.open(), await world.open()]
  await world.open({ about: () => aboutOf({ roles: ['listen', 'admin'] }) })
  const id = await send(one, clock, { to: ['a@far.example', 'b@other.example'] })
  const busy = async (): Promise<unknown> => (await one.trace(id))!.busy
  one.full([lane('far.example'), lane('other.example')], true)
  await until(
    async () => (await world.redis.keys(`${world.prefix}/full/*`)).length === 1,
    () => 'what is full to be told',
  )
  expect(await busy()).toEqual([])
  other.full([lane('far.example')], true)
  await until(
    async () => (await world.redis.keys(`${world.prefix}/full/*`)).length === 2,
    () => 'what is full to be told',
  )
  expect(await busy()).toEqual(['far.example'])
})

test('a process says anew what it is when that has changed', async () => {
  await using world = await openWorld(server)
  let listeners: string[] = []
  const queue = await world.open({ about: () => aboutOf({ listeners }) })
  listeners = ['smtp://0.0.0.0:25']
  await queue.introduce!()
  expect(await queue.processes()).toMatchObject([{ listeners }])
})

test('a process that says farewell is gone, and what it had is free at once', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const [one, other] = [await world.open(), await world.open()]
  const id = await send(one, clock)
  await takeOne(one)
  await one[Symbol.asyncDispose]()
  expect(await other.processes()).toHaveLength(1)
  const { delivery } = await takeOne(other)
  expect(delivery).toMatchObject({ message: id, last: { kind: 'interrupted' } })
})

test('what a dead process had under way goes back after a lease, as possibly sent', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const dead = await world.openFrozen({ name: 'dead' })
  const queue = await world.open({ about: () => aboutOf({ name: 'alive' }) })
  const ids = [await send(dead, clock), await send(dead, clock), await send(dead, clock)]
  const lease = await claimOne(dead)
  await takeFrom(dead, lease)
  await takeFrom(dead, lease)
  // The lane has more; other processes draw from it meanwhile.
  const third = await takeOne(queue)
  expect(third.delivery.message).toBe(ids[2])
  clock.pass(LEASE - 1)
  expect(await queue.claim(5)).toEqual([])
  await queue.renew([third.lease])
  await world.round(ROUND)
  const back = await takeOne(queue)
  const again = [back.delivery, await takeFrom(queue, back.lease)]
  expect(again.map(({ message }) => message).toSorted()).toEqual([ids[0], ids[1]])
  for (const { last, recipients } of again) {
    expect(last).toEqual({ kind: 'interrupted' })
    expect(recipients).toMatchObject([{ attempts: 1 }])
  }
  const told = world.told.filter(({ kind }) => kind === 'interrupted')
  expect(told).toHaveLength(2)
})

test('what a dead process had swept up, and what it had after its lease, goes back too', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const dead = await world.openFrozen()
  const queue = await world.open()
  const warned = await send(dead, clock, { to: ['w@w.example'], warnAt: clock.now() })
  const refused = await send(dead, clock, { to: ['r@r.example'] })
  await dead.steer('refuse', { ids: [refused] }, WHO)
  expect(await dead.overdue('warn', 5)).toHaveLength(1)
  expect(await dead.overdue('refuse', 5)).toHaveLength(1)
  const left = await send(dead, clock, { to: ['l@l.example'] })
  const { lease } = await takeOne(dead)
  await dead.release(lease)
  expect(await queue.claim(5)).toEqual([])

  await world.round(LEASE)
  expect(await queue.overdue('refuse', 5)).toMatchObject([{ message: refused }])
  expect(await queue.overdue('warn', 5)).toMatchObject([{ message: warned }])
  const { delivery } = await takeOne(queue)
  expect(delivery).toMatchObject({ message: left, last: { kind: 'interrupted' } })
})

test('a lane that had nothing but what a dead process was sweeping up is claimed again', async () => {
  await using world = await openWorld(server)
  const dead = await world.openFrozen()
  const queue = await world.open()
  const id = await send(dead, world.clock, { warnAt: world.clock.now() })
  await dead.overdue('warn', 5)
  await world.round() // The lane is empty and goes.
  await world.round(LEASE)
  const { delivery } = await takeOne(queue)
  expect(delivery).toMatchObject({ message: id, recipients: [{ attempts: 0 }] })
})

test('a process that was taken for dead and comes back does no harm', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const frozen = await world.openFrozen({ name: 'frozen' })
  const queue = await world.open()
  const id = await send(frozen, clock, { to: ['a@far.example', 'b@far.example'] })
  const { lease, delivery } = await takeOne(frozen)
  await world.round(LEASE)
  const second = await takeOne(queue)
  expect(second.delivery.message).toBe(id)
  const settlement = {
    ...attempt(clock, delivery, delivered),
    results: [delivered(0), deferred(1, clock.now() + HOUR)],
  }
  expect(await frozen.settle(delivery, settlement, lease)).toMatchObject({ kind: 'idle' })
  expect(await statesOf(queue, id)).toEqual(['delivered', 'sending'])
  await queue.settle(second.delivery, attempt(clock, second.delivery, delivered))
  expect(await statesOf(queue, id)).toEqual(['delivered', 'delivered'])
  expect((await queue.trace(id))!.entries).toMatchObject([{ attempts: 2 }, { attempts: 2 }])
  expect(await queue.claim(5)).toEqual([])
})

test('a dead process stays in the list for an hour, with nothing in hand', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const dead = await world.openFrozen({ name: 'dead' })
  const queue = await world.open({ about: () => aboutOf({ name: 'alive' }) })
  await send(dead, clock)
  await takeOne(dead)
  await dead.introduce!()
  const seenAt = clock.now()
  await world.round(LEASE)
  expect(named(await queue.processes(), 'dead')).toMatchObject({ isDead: true, leases: 0, seenAt })
  expect(named(await queue.processes(), 'alive')).toMatchObject({ isDead: false })
  await world.round(HOUR - 1)
  expect((await queue.processes()).map(({ name }) => name)).toEqual(['dead', 'alive'])
  await world.round()
  expect((await queue.processes()).map(({ name }) => name)).toEqual(['alive'])
})

test('what a process had that was killed on this machine returns at the next look', async () => {
  await using world = await openWorld(server)
  const { clock, prefix } = world
  const queue = await world.open()
  const program = fileURLToPath(new URL('process-child.ts', import.meta.url))
  const words = [program, server.url, prefix.slice(1, -1), String(clock.now())]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  expect(String(said)).toBe('ready\n')
  expect(await queue.counts('state')).toEqual([
    { key: 'sending', count: 2 },
    { key: 'waiting', count: 1 },
  ])
  child.kill('SIGKILL')
  await once(child, 'exit')

  await world.round()
  expect(await queue.counts('state')).toEqual([{ key: 'waiting', count: 3 }])
  expect(named(await queue.processes(), 'child')).toMatchObject({ isDead: true, leases: 0 })
  expect(await queue.claim(5)).toHaveLength(3)
})

test('ids of processes with one clock never meet', async () => {
  await using world = await openWorld(server)
  const queues = [await world.open(), await world.open(), await world.open()]
  const ids = queues.flatMap((queue) => Array.from({ length: 100 }, () => queue.newId()))
  expect(new Set(ids).size).toBe(300)
})
