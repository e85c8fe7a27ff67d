// A process that shares a queue in Redis and is killed in the middle: three messages accepted, two of
// them under way.

import { systemClock } from '../../../src/base/clock.ts'
import { readAddress } from '../../../src/queue/bullmq/link/address.ts'
import { openBullmqQueue } from '../../../src/queue/bullmq/queue.ts'
import { createOwnTime } from '../../../src/queue/bullmq/link/time.ts'
import { ManualClock } from '../../peers/clock.ts'
import { claimOne, send, takeFrom } from '../mail.ts'
import { aboutOf, LEASE } from './world.ts'

const [, , url = '', prefix = '', now = ''] = process.argv
const clock = new ManualClock(Number(now))
const queue = await openBullmqQueue({
  address: readAddress(url),
  prefix,
  clock,
  wish: { replicas: 0, relaxed: false },
  about: () => aboutOf({ name: 'child' }),
  leaseMilliseconds: LEASE,
  time: createOwnTime(clock),
})
for (let i = 0; i < 3; i++) await send(queue, clock)
const lease = await claimOne(queue)
await takeFrom(queue, lease)
await takeFrom(queue, lease)
process.stdout.write('ready\n')
systemClock.after(600_000, () => {})
