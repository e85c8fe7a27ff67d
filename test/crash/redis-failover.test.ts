// The master of a watched Redis is killed under load and a replica takes over: whatever was answered with
// 250 was held by a replica too, so that it arrives. The killed one comes back as a replica.
// `WAYPOST_TEST_FULL=1` kills one master after the other.

import { expect, test } from 'vitest'
import { FULL, SEED } from '../peers/chance.ts'
import { until } from '../peers/process.ts'
import { startWatched } from '../peers/sentinel.ts'
import { moreDelivered, proveNothingLost, startPair } from './pair.ts'
import { doubles } from './world.ts'

const KILLS = FULL ? 10 : 1

test(
  'a replica takes over under load and nothing is lost',
  { timeout: 120_000 * KILLS },
  async () => {
    await using watched = await startWatched()
    const settings = { WAYPOST_REDIS: watched.url, WAYPOST_REDIS_REPLICAS: '1' }
    await using world = await startPair(settings, SEED)
    for (let n = 0; n < KILLS; n++) {
      await moreDelivered(world, 500 + Math.floor(world.chance() * 500))
      const killed = await watched.master()
      await killed.kill()
      await until(async () => (await watched.master()) !== killed)
      await killed.start()
      await until(async () => (await watched.replicas()) === 2)
    }
    await moreDelivered(world, 100)
    await proveNothingLost(world)
    const accepted = world.loads.reduce((sum, load) => sum + load.accepted.size, 0)
    const { count } = doubles(world.tally)
    expect(accepted).toBeGreaterThan(0)
    console.log(`${KILLS} fail-overs, ${accepted} accepted, ${count} arrived twice`)
  },
)
