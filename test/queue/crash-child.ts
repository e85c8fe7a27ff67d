// A process that uses the queue of a folder and is killed in the middle: five messages accepted,
// two of them under way.

import { systemClock } from '../../src/base/clock.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { ManualClock } from '../peers/clock.ts'
import { claimOne, send, takeFrom } from './mail.ts'

const queue = await openSqliteQueue({ folder: process.argv[2]!, clock: systemClock })
const clock = new ManualClock(Date.now())
for (let i = 0; i < 5; i++) await send(queue, clock, { to: [`u${i}@far.example`] })
const lease = await claimOne(queue)
await takeFrom(queue, lease)
await takeFrom(queue, lease)
process.stdout.write('ready\n')
