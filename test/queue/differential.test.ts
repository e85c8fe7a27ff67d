// One random story, told to both engines: what they hand out, count, find and remember is the same, so
// that each can be changed without fear for what it shares with the other.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import { createOwnTime } from '../../src/queue/bullmq/link/time.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { chance, FULL, SEED } from '../peers/chance.ts'
import { ManualClock } from '../peers/clock.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { Side, Story } from './story.ts'

const STEPS = 120
const LEASE = 60_000
/** Milliseconds: some thousand steps that are synced, on a machine that has other work. */
const PATIENCE = 60_000

let server: RedisServer
let prefixes = 0

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server[Symbol.asyncDispose]())

for (const seed of FULL ? [1, 2, 3, SEED] : [SEED])
  test(
    `both engines tell the same random story ${seed}`,
    async () => {
      await using embedded = await openEmbedded()
      await using shared = await openShared()
      const story = new Story([embedded, shared], chance(seed))
      for (let step = 1; step <= STEPS; step++) {
        const what = await story.step()
        if (step % 20 > 0) continue
        const [first, second] = [await embedded.view(), await shared.view()]
        expect(second, `after step ${step}, ${what}`).toEqual(first)
      }
      await story.end()
      expect(await shared.view()).toEqual(await embedded.view())
    },
    PATIENCE,
  )

async function openEmbedded(): Promise<Side> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-story-'))
  const clock = new ManualClock()
  const queue = await openSqliteQueue({ folder, clock, leaseMilliseconds: LEASE })
  return new Side(queue, clock, () => rm(folder, { recursive: true }))
}

async function openShared(): Promise<Side> {
  const clock = new ManualClock()
  const queue = await openBullmqQueue({
    address: readAddress(server.url),
    prefix: `story${++prefixes}`,
    clock,
    wish: { replicas: 0, relaxed: false },
    about: () => ({ name: 'test', hostname: 'relay.test', roles: [], sources: [], listeners: [] }),
    leaseMilliseconds: LEASE,
    time: createOwnTime(clock),
  })
  return new Side(queue, clock)
}
