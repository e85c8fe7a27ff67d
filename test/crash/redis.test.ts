// Two relays that share a Redis, each of the three killed at any moment under load: what was answered
// with 250 arrives or comes back, and arrives twice only where a relay was killed after its final dot.
// `WAYPOST_TEST_FULL=1` kills ten times as often.

import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { FULL, SEED } from '../peers/chance.ts'
import { until } from '../peers/patience.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { startS3 } from '../peers/s3.ts'
import { moreDelivered, proveNothingLost, startPair, type Pair } from './pair.ts'
import { doubles } from './world.ts'

const KILLS = FULL ? 60 : 6
/** Every so many times it is Redis; for one lease after that nothing is claimed. */
const EVERY = FULL ? 5 : 4
/** Outcomes are written within so many milliseconds, unless Redis is away. */
const SETTLING = 1000

describe('Relays that share a Redis', () => {
  test('killed at random, and Redis too, they lose nothing', { timeout: 1_800_000 }, async () => {
    await using redis = await startRedis()
    await using world = await startPair({ WAYPOST_REDIS: redis.url }, SEED)
    const { tally, loads } = world
    const kills = await killAtRandom(world, redis)
    await proveNothingLost(world)
    const accepted = loads.reduce((sum, load) => sum + load.accepted.size, 0)
    const { count } = doubles(tally)
    console.log(`${JSON.stringify(kills)} kills, ${accepted} accepted, ${count} arrived twice`)
  })

  const long = { timeout: 1_800_000, skip: !FULL }
  test('killed at random, they lose no content that is in an object store', long, async () => {
    await using redis = await startRedis()
    await using s3 = await startS3()
    await using world = await startPair({ ...s3.environment, WAYPOST_REDIS: redis.url }, SEED + 2)
    await killAtRandom(world, redis)
    await proveNothingLost(world)
    const [one, two] = world.relays
    await Promise.all([one.stop(), two.stop()])
    // What a process was storing when something failed goes when that process has ended.
    await one.start()
    await until(async () => (await s3.names()).length === 0, 'all objects to go', 60_000)
  })

  test('stopped and started one after the other, they lose and repeat nothing', async () => {
    await using redis = await startRedis()
    await using world = await startPair({ WAYPOST_REDIS: redis.url }, SEED + 1)
    for (const relay of world.relays) {
      await moreDelivered(world, 100)
      expect(await relay.stop()).toBe(0)
      // The other one goes on alone.
      await moreDelivered(world, 100)
      await relay.start()
    }
    await proveNothingLost(world)
    expect(doubles(world.tally)).toEqual({ count: 0, unexcused: [] })
  }, 90_000)
})

async function killAtRandom(
  world: Pair,
  redis: RedisServer,
): Promise<Record<'relay' | 'redis' | 'both', number>> {
  const { relays, chance } = world
  const kills = { relay: 0, redis: 0, both: 0 }
  for (let n = 1; n <= KILLS; n++) {
    await moreDelivered(world, 100 + Math.floor(chance() * 300))
    const relay = relays[chance() < 0.5 ? 0 : 1]
    const both = n % EVERY === 0 && chance() < 0.3
    kills[both ? 'both' : n % EVERY === 0 ? 'redis' : 'relay']++
    const from = performance.now() - SETTLING
    const ends = [n % EVERY === 0 ? redis.kill() : relay.kill()]
    if (both) ends.push(wait(chance() * 300).then(() => relay.kill()))
    await Promise.all(ends)
    if (!relay.alive()) world.blind.push({ from, to: performance.now() })
    await wait(chance() * 1500)
    if (n % EVERY === 0) await redis.start()
    if (!relay.alive()) await relay.start()
  }
  return kills
}
