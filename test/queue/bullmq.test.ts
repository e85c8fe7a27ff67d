// The Redis engine against the contract of the queue, on a real server.

import { afterAll, beforeAll } from 'vitest'

import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import type { BullmqOptions } from '../../src/queue/bullmq/queue.ts'
import { createOwnTime } from '../../src/queue/bullmq/link/time.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { readBucket } from '../../src/queue/bullmq/s3/address.ts'
import { openObjects } from '../../src/queue/bullmq/s3/open.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import { ManualClock } from '../peers/clock.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { startS3, type S3Server } from '../peers/s3.ts'
import { contract } from './contract.ts'

let server: RedisServer
let s3: S3Server
let prefixes = 0

beforeAll(async () => {
  server = await startRedis()
  s3 = await startS3()
  Object.assign(process.env, s3.environment)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
})

contract('bullmq', async () => {
  const world = openWorld()
  return Object.assign(world, { queue: await world.open() })
})

contract('bullmq with content in an object store', async () => {
  const world = openWorld()
  const open: World['open'] = async (options) =>
    world.open({ store: await openObjects(readBucket(s3.content()), world.prefix), ...options })
  return Object.assign(world, { queue: await open(), open })
})

interface World extends AsyncDisposable {
  readonly prefix: string
  readonly clock: ManualClock
  open(options?: Partial<BullmqOptions>): Promise<Queue>
}

function openWorld(): World {
  const parts = new AsyncDisposableStack()
  const clock = new ManualClock()
  const prefix = `test${++prefixes}`
  return {
    clock,
    prefix,
    open: async (options) =>
      parts.use(
        await openBullmqQueue({
          address: readAddress(server.url),
          prefix,
          clock,
          wish: { replicas: 0, relaxed: false },
          about: () => ({
            name: 'test',
            hostname: 'relay.test',
            roles: ['listen', 'deliver'],
            sources: ['test'],
            listeners: [],
          }),
          leaseMilliseconds: 60_000,
          time: createOwnTime(clock),
          ...options,
        }),
      ),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
