// BullMQ's own eyes on the lanes: its Queue counts and reads what they hold, as dashboards do, and whatever
// it looks at goes on as before.

import { Queue as Lane, type Job } from 'bullmq'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { laneOf } from '../../../src/queue/bullmq/link/keys.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, deferred, delivered, HOUR, send, statesOf, takeFrom, takeOne } from '../mail.ts'
import { WHO } from '../mail.ts'
import { LEASE, openWorld, type World } from './world.ts'

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

const NEXT_HOP = 'smart.example:587/me%40near.example'

/** A lane as anybody sees it who knows BullMQ. */
async function laneAs({ prefix }: World, destination: string): Promise<Lane & AsyncDisposable> {
  const connection = { host: '127.0.0.1', port: server.port }
  const lane = new Lane(laneOf(destination), { prefix, connection, skipMetasUpdate: true })
  await lane.waitUntilReady()
  return Object.assign(lane, { [Symbol.asyncDispose]: () => lane.close() })
}

const STATES = ['prioritized', 'delayed', 'active', 'waiting', 'completed', 'failed'] as const

test('what waits, what is put off and what is under way is counted as such', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  for (let n = 0; n < 4; n++) await send(queue, clock)
  await send(queue, clock, { due: clock.now() + HOUR })
  const held = await send(queue, clock)
  await queue.steer('hold', { ids: [held] }, WHO)
  const { lease, delivery } = await takeOne(queue)
  const due = clock.now() + 1000
  const second = await takeFrom(queue, lease)
  await queue.settle(
    delivery,
    attempt(clock, delivery, (n) => deferred(n, due)),
  )
  await using lane = await laneAs(world, 'far.example')
  const before = { prioritized: 2, delayed: 2, active: 1, waiting: 0, completed: 0, failed: 0 }
  expect(await lane.getJobCounts(...STATES)).toEqual(before)
  await queue.settle(second, attempt(clock, second, delivered), lease)
  expect(await lane.getJobCounts(...STATES)).toEqual({ ...before, prioritized: 1 })
})

test('a job says which delivery it is, where it goes, how urgent it is and when', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const now = await send(queue, clock, { destination: NEXT_HOP, priority: 3 })
  const later = await send(queue, clock, { destination: NEXT_HOP, due: clock.now() + HOUR })
  await using lane = await laneAs(world, NEXT_HOP)
  const jobs = await lane.getJobs([...STATES])
  const told = (id: string): Partial<Job> => jobs.find((job) => job.id === `${id}-1`)!
  expect(jobs).toHaveLength(2)
  expect(told(now)).toMatchObject({ name: 'delivery', data: { to: NEXT_HOP }, priority: 3 })
  expect(told(later)).toMatchObject({ delay: HOUR, timestamp: clock.now() })
  expect(await (await lane.getJob(`${later}-1`))!.getState()).toBe('delayed')
  expect(await (await lane.getJob(`${now}-1`))!.getState()).toBe('prioritized')
})

test('what our own scripts put back is as BullMQ would have it', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const ids = [await send(queue, clock), await send(queue, clock, { due: clock.now() + HOUR })]
  await takeOne(queue)
  clock.pass(LEASE)
  await world.round()
  await queue.steer('hold', {}, WHO)
  await queue.steer('release', {}, WHO)
  await using lane = await laneAs(world, 'far.example')
  const jobs = await lane.getJobs(['prioritized', 'delayed', 'active'])
  const places = await Promise.all(jobs.map(async (job) => [job.id, await job.getState()]))
  expect(Object.fromEntries(places)).toEqual({
    [`${ids[0]}-1`]: 'prioritized',
    [`${ids[1]}-1`]: 'delayed',
  })
  expect(
    jobs.every(({ name, data, opts }) => name === 'delivery' && data.to && opts.priority),
  ).toBe(true)
})

test('everything that can be looked at is looked at, and no mail is the worse for it', async () => {
  await using world = await openWorld(server)
  const { clock, redis, prefix } = world
  const queue = await world.open()
  const ids = []
  for (let n = 0; n < 5; n++) ids.push(await send(queue, clock))
  const { lease, delivery } = await takeOne(queue)
  const keys = (await redis.keys(`${prefix}*`)).toSorted()
  await using lane = await laneAs(world, 'far.example')
  const jobs = await lane.getJobs([...STATES])
  await Promise.all([
    lane.getJobCounts(),
    lane.getActive(),
    lane.getPrioritized(),
    lane.getDelayed(),
    lane.getWorkers(),
    lane.getJobSchedulers(),
    lane.getMetrics('completed'),
    lane.isPaused(),
    lane.count(),
    lane.getCountsPerPriority([1, 10]),
    lane.getJobLogs(`${ids[0]}-1`),
    ...jobs.map((job) => job.getState()),
  ])
  expect((await redis.keys(`${prefix}*`)).toSorted()).toEqual(keys)

  let taken = await queue.settle(delivery, attempt(clock, delivery, delivered), lease)
  for (let n = 1; n < 5; n++) {
    if (taken?.kind !== 'delivery') throw new Error('A delivery is missing')
    taken = await queue.settle(taken.delivery, attempt(clock, taken.delivery, delivered), lease)
  }
  for (const id of ids) expect(await statesOf(queue, id)).toEqual(['delivered'])
  expect(await lane.getJobCounts(...STATES)).toMatchObject({ prioritized: 0, active: 0 })
})

test('a job that somebody removed by hand is mended, and its mail goes out', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const id = await send(queue, world.clock)
  await using lane = await laneAs(world, 'far.example')
  await lane.remove(`${id}-1`)
  await world.round()
  expect((await takeOne(queue)).delivery.message).toBe(id)
})

test('a lane that somebody drained or obliterated is mended too', async () => {
  await using world = await openWorld(server)
  const { clock } = world
  const queue = await world.open()
  const ids = [await send(queue, clock), await send(queue, clock)]
  await using lane = await laneAs(world, 'far.example')
  await lane.drain(true)
  await world.round()
  expect(await queue.claim(5)).toHaveLength(2)
  await lane.obliterate({ force: true })
  clock.pass(LEASE)
  await world.round()
  const { lease, delivery } = await takeOne(queue)
  const taken = [delivery, await takeFrom(queue, lease)]
  expect(taken.map(({ message }) => message).toSorted()).toEqual(ids.toSorted())
})

test('a lane that somebody paused waits, and keeps nobody busy', async () => {
  await using world = await openWorld(server)
  const queue = await world.open()
  const { clock } = world
  await send(queue, clock)
  await send(queue, clock)
  const [lease] = await queue.claim(1)
  await using lane = await laneAs(world, 'far.example')
  await lane.pause()
  const until = clock.now() + 60_000
  expect(await queue.take(lease!)).toEqual({ kind: 'idle', until })
  expect(await queue.claim(5)).toEqual([])
  const reason = 'the lane was paused or limited by the means of BullMQ'
  expect(await queue.suspensions()).toEqual([
    { lane: 'far.example', until, reason, cause: 'other', since: clock.now() },
  ])
  await lane.resume()
  clock.pass(60_000)
  await takeFrom(queue, lease!)
})
