// Sentinels and a replica: the master dies, a replica takes over, and the relay goes on there with all that
// was accepted.

import { expect, test } from 'vitest'

import { readAddress } from '../../../src/queue/bullmq/link/address.ts'
import { until } from '../../peers/patience.ts'
import { startWatched } from '../../peers/sentinel.ts'
import { attempt, delivered, send, statesOf, takeOne } from '../mail.ts'
import { LEASE, notes, openWorld, whenBack } from './world.ts'

test('when a replica takes over, the relay goes on with it', async () => {
  await using watched = await startWatched(1)
  const master = await watched.master()
  await using world = await openWorld(master)
  const { clock } = world
  const wish = { replicas: 1, relaxed: true }
  const queue = await world.open({ address: readAddress(watched.url), wish })
  const ids = [await send(queue, clock), await send(queue, clock)]
  const { lease, delivery } = await takeOne(queue)

  await master.kill()
  await until(
    () => notes(world).some((text) => text.startsWith('Redis is back')),
    () => `the replica to take over: ${notes(world).join('; ')}`,
    30_000,
  )
  await whenBack(queue)
  expect((await queue.engine()).at).toBe(watched.url)
  expect(await statesOf(queue, ids[0]!)).toEqual(['sending'])
  expect(await queue.claim(1)).toEqual([])
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await queue.release(lease)
  clock.pass(LEASE)
  expect((await takeOne(queue)).delivery.message).toBe(ids[1])
}, 60_000)
