// Refusals of late that several processes share: found from any of them, bounded, and written seldom.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { RefusedMail, type Refused } from '../../src/events/refused-mail.ts'
import { findRefusals, shareRefusals } from '../../src/events/shared-refusals.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import type { Store } from '../../src/store/store.ts'
import { ManualClock } from '../peers/clock.ts'

interface World extends AsyncDisposable {
  readonly clock: ManualClock
  readonly state: Store
}

async function openWorld(): Promise<World> {
  const parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-refusals-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const clock = new ManualClock()
  const { state } = parts.use(await openSqliteQueue({ folder, clock }))
  return { clock, state, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

function refusalOf({ clock }: World, address: string, client = '192.0.2.1'): Refused {
  return {
    kind: 'refused',
    at: clock.now(),
    client,
    command: `RCPT TO:<${address}>`,
    reply: '550 5.7.1 Relaying is not allowed',
    from: 'app@near.example',
  }
}

async function keys({ state }: World): Promise<string[]> {
  return (await state.scan('', { limit: 9999 })).map(({ key }) => key)
}

test('what one process refused is found by another, the newest first, for a day', async () => {
  await using world = await openWorld()
  const { clock, state } = world
  const [one, other] = [new RefusedMail(), new RefusedMail()]
  await using first = shareRefusals(one, state, 'one', clock)
  await using second = shareRefusals(other, state, 'other', clock)
  expect([first, second]).toHaveLength(2)
  const early = refusalOf(world, 'Ceo@other.example')
  one.report(early)
  clock.pass(1000)
  const late = refusalOf(world, 'ceo@OTHER.example')
  other.report(late)
  expect(await findRefusals(state, 'ceo@other.example')).toEqual([])
  clock.pass(5000)
  await expect.poll(() => findRefusals(state, 'ceo@other.example')).toEqual([late, early])
  expect(await findRefusals(state, 'app@near.example')).toHaveLength(2)
  clock.pass(24 * 3_600_000)
  expect(await findRefusals(state, 'ceo@other.example')).toEqual([])
})

test('a flood is written a few at a time, and takes no more places than are remembered', async () => {
  await using world = await openWorld()
  const { clock, state } = world
  const mail = new RefusedMail()
  await using shared = shareRefusals(mail, state, 'one', clock)
  expect(shared).toBeDefined()
  for (let n = 0; n < 5000; n++) mail.report(refusalOf(world, `u${n}@far.example`))
  for (const client of ['198.51.100.1', '198.51.100.2'])
    mail.report(refusalOf(world, `of-${client}@far.example`, client))
  clock.pass(5000)
  await expect.poll(() => keys(world)).toHaveLength(50)
  const next = async (): Promise<string[]> => {
    clock.pass(5000)
    return keys(world)
  }
  await expect.poll(next).toHaveLength(52)
  // The flood goes on, and its own refusals give way.
  for (let n = 0; n < 5000; n++) mail.report(refusalOf(world, `more${n}@far.example`))
  const found = async (): Promise<number> => {
    clock.pass(5000)
    return (await findRefusals(state, 'more4999@far.example')).length
  }
  await expect.poll(found).toBe(1)
  expect(await keys(world)).toHaveLength(52)
  expect(await findRefusals(state, 'of-198.51.100.1@far.example')).toHaveLength(1)
})

test('what was not written yet is, when the process stops', async () => {
  await using world = await openWorld()
  const mail = new RefusedMail()
  {
    await using shared = shareRefusals(mail, world.state, 'one', world.clock)
    expect(shared).toBeDefined()
    mail.report(refusalOf(world, 'ceo@other.example'))
  }
  expect(await findRefusals(world.state, 'ceo@other.example')).toHaveLength(1)
})

test('a refusal that names too much is kept without its recipients', async () => {
  await using world = await openWorld()
  const mail = new RefusedMail()
  const to = Array.from({ length: 5 }, (_, n) => `${'é'.repeat(500)}${n}@far.example`)
  {
    await using shared = shareRefusals(mail, world.state, 'one', world.clock)
    expect(shared).toBeDefined()
    mail.report({ ...refusalOf(world, 'ceo@other.example'), to })
  }
  const [found] = await findRefusals(world.state, 'ceo@other.example')
  expect(found).toMatchObject({ command: 'RCPT TO:<ceo@other.example>' })
  expect(found).not.toHaveProperty('to')
})
