// Where the disk is short, history gives way before new mail is refused.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import type { MessageId } from '../../src/queue/port/types.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { ManualClock } from '../peers/clock.ts'
import { attempt, claimOne, delivered, mailOf, send, takeFrom } from './mail.ts'

test('history gives way to new mail, the oldest first and no more than is needed', async () => {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-room-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const clock = new ManualClock()
  let free = 1_000_000
  const space = async () => ({ free, total: 10_000_000 })
  const queue = parts.use(await openSqliteQueue({ folder, clock, space, diskReserve: 400_000 }))
  const ids: MessageId[] = []
  for (let n = 0; n < 2500; n++) ids.push(await send(queue, clock))
  const lease = await claimOne(queue)
  for (const _ of ids) {
    const delivery = await takeFrom(queue, lease)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
  }
  const mail = await mailOf(queue, clock, {})

  free = 150_000
  clock.pass(60_000)
  await expect.poll(async () => await queue.trace(ids[0]!)).toBeUndefined()
  await expect.poll(() => queue.refuses()).toBeUndefined()
  await queue.accept(mail)
  clock.pass(60_000)
  expect(await queue.trace(ids.at(-1)!)).toBeDefined()
})
