// Limits that processes share: connections are borrowed before they are opened, given back when they are
// not used or others have a right to them, and lost when nobody can be asked for too long.

import { expect, test } from 'vitest'
import type { Connection } from '../../src/delivery/connection.ts'
import type { Site, Slot } from '../../src/delivery/site/site.ts'
import { Sites } from '../../src/delivery/site/sites.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Loan } from '../../src/queue/port/outflow.ts'
import type { Hop } from '../../src/mail/path.ts'
import { ManualClock } from '../peers/clock.ts'

const HOSTS = [{ name: 'mx.example', preference: 0 }]
const LANE = 'far.example' as Destination

class FakeConnection implements Connection {
  fact = { host: 'mx.example', address: '127.0.0.1', port: 25, notes: [] }
  offersDsn = true
  taken = 1
  used = true
  usable = true
  ended = false
  closed = Promise.resolve()
  send(): never {
    throw new Error('Nothing is sent here')
  }
  async quit(): Promise<void> {
    this.ended = true
  }
  destroy(): void {
    this.ended = true
  }
}

/** A source each, so that no connection serves two. */
function from(source: string): Hop {
  return { route: { kind: 'hop', host: 'mx.example', port: 25 }, tls: 'none', source }
}

interface World {
  readonly sites: Sites
  readonly site: Site
  readonly clock: ManualClock
  readonly asked: Loan[]
  /** How many the others leave; `undefined`: the queue is away. */
  left: number | undefined
  enter(): Promise<Slot | undefined>
  /** From now on whoever asks is answered only when this is resolved. */
  holdAnswers(): PromiseWithResolvers<void>
}

function world(left: number, connections = 10): World {
  const clock = new ManualClock()
  const asked: Loan[] = []
  let held: PromiseWithResolvers<void> | undefined
  const borrow = async (loans: readonly Loan[]): Promise<number[]> => {
    const { left } = there
    if (left === undefined) throw new Error('away')
    asked.push(...loans)
    await held?.promise
    return loans.map(({ wanted }) => Math.min(wanted, left))
  }
  const policy = () => ({ limits: () => ({ connections, messagesPerConnection: 100, at: 'here' }) })
  const queue = { full: () => {}, borrow }
  const report = (): void => {}
  const options = { queue, source: 'relay.example', clock, report, policy, connections: 1000 }
  const sites = new Sites(options)
  const site = sites.find('mx.example', HOSTS, LANE)
  let sources = 0
  const enter = (): Promise<Slot | undefined> =>
    sites.enter(site, LANE, from(`192.0.2.${sources++}`))
  const holdAnswers = () => (held = Promise.withResolvers<void>())
  const there: World = { sites, site, clock, asked, left, enter, holdAnswers }
  return there
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('of many who wait for the same answer no more go than it allows', async () => {
  const there = world(2)
  const entered = Array.from({ length: 5 }, () => there.enter())
  await turns()
  expect(there.site.busy).toBe(2)
  there.sites.close()
  expect((await Promise.all(entered)).filter((slot) => slot !== undefined)).toHaveLength(2)
})

test('a connection is borrowed before it is opened, with some to spare', async () => {
  const there = world(10)
  expect(await there.enter()).toBeDefined()
  expect(there.asked).toMatchObject([
    { site: 'relay.example/mx.example', held: 0, wanted: 3, limit: 10 },
  ])
  for (let n = 0; n < 2; n++) expect(await there.enter()).toBeDefined()
  expect(there.asked).toHaveLength(1)
})

test('where others have all of them a lane waits, and is called when some come back', async () => {
  const there = world(0)
  const entering = there.enter()
  await turns()
  expect(there.site.line.length).toBe(1)
  there.left = 1
  there.clock.pass(500)
  expect(await entering).toBeDefined()
})

test('what others have a right to is given back as connections come free', async () => {
  const there = world(10)
  const slots = [await there.enter(), await there.enter(), await there.enter()]
  const lines = slots.map((slot) => {
    const line = new FakeConnection()
    there.sites.opened(slot!, line)
    return line
  })
  there.left = 1
  there.clock.pass(5000)
  await turns()
  expect(there.sites.crowded(there.site, LANE)).toBe(true)
  for (const slot of slots) there.sites.leave(slot!, LANE)
  await turns()
  expect(lines.filter(({ ended }) => ended)).toHaveLength(2)
})

test('unused ones are given back, and then the site is not told of any more', async () => {
  const there = world(10)
  const slot = await there.enter()
  there.sites.leave(slot!, LANE)
  for (let n = 0; n < 3; n++) {
    there.clock.pass(5000)
    await turns()
  }
  expect(there.asked.at(-1)).toMatchObject({ held: 0, wanted: 0 })
  expect(there.asked).toHaveLength(2)
})

test('a lane that has just asked is not forgotten by an older answer', async () => {
  const there = world(1)
  const slot = (await there.enter())!
  slot.failed = true
  there.sites.leave(slot, LANE)
  there.clock.pass(5000)
  await turns()
  // All was given back. What a lane asks for, and the next telling, are answered together.
  const answers = there.holdAnswers()
  const entered = there.enter()
  await turns()
  there.clock.pass(5000)
  await turns()
  answers.resolve()
  expect(await Promise.race([entered, turns().then(() => 'waits')])).not.toBe('waits')
  for (let told = 0; told < 3; told++) {
    there.asked.length = 0
    there.clock.pass(5000)
    await turns()
    expect(there.asked).toMatchObject([{ wanted: 3 }])
  }
})

test('while nobody can be asked it goes on with what it has, until others may have it', async () => {
  const there = world(10)
  await there.enter()
  there.left = undefined
  there.clock.pass(5000)
  await turns()
  expect(there.site.granted).toBe(1)
  for (let n = 0; n < 6; n++) {
    there.clock.pass(5000)
    await turns()
  }
  expect(there.site.granted).toBe(0)
})
