// The Redis engine against the contract of the queue, on a real server.

import { afterAll, beforeAll } from 'vitest'

import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import type { BullmqOptions } from '../../src/queue/bullmq/queue.ts'
import { createOwnTime } from '../../src/queue/bullmq/time.ts'
import { readAddress } from '../../src/queue/bullmq/address.ts'
import type { Queue } from '../../src/queue/port.ts'
import { ManualClock } from '../peers/clock.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { contract } from './contract.ts'

let server: RedisServer
let prefixes = 0

beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

contract('bullmq', async () => {
  const world = openWorld()
  return Object.assign(world, { queue: await world.open() })
})

interface World extends AsyncDisposable {
  readonly clock: ManualClock
  open(options?: Partial<BullmqOptions>): Promise<Queue>
}

function openWorld(): World {
  const parts = new AsyncDisposableStack()
  const clock = new ManualClock()
  const prefix = `test${++prefixes}`
  return {
    clock,
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
