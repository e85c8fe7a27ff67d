// Limits of sites and of all connections together, lines, and idle connections.

import { expect, test } from 'vitest'
import type { Connection } from '../../src/delivery/connection.ts'
import type { Site, Slot } from '../../src/delivery/site/site.ts'
import { Sites } from '../../src/delivery/site/sites.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Hop } from '../../src/mail/path.ts'
import { ManualClock } from '../peers/clock.ts'

interface World {
  readonly sites: Sites
  readonly clock: ManualClock
  /** What the queue was told: `+lane` is full, `-lane` no more. */
  readonly said: string[]
  site(name: string, ...lanes: string[]): Site
}

function world(connections: number, perSite = 20, messages = 100): World {
  const clock = new ManualClock()
  const said: string[] = []
  const full = (lanes: readonly Destination[], on: boolean): void => {
    for (const lane of lanes) said.push((on ? '+' : '-') + lane)
  }
  const limits = { connections: perSite, messagesPerConnection: messages, at: 'here' }
  const policy = () => ({ limits: () => limits })
  const sites = new Sites({
    queue: { full },
    source: 'test',
    clock,
    report: () => {},
    policy,
    connections,
  })
  const site = (name: string, ...lanes: string[]): Site => {
    const hosts = [{ name, preference: 0 }]
    for (const lane of lanes) sites.find(name, hosts, lane as Destination)
    return sites.find(name, hosts, 'first.example' as Destination)
  }
  return { sites, clock, said, site }
}

const HOP: Hop = { route: { kind: 'hop', host: 'mx.example', port: 25 }, tls: 'none' }

const lane = (name: string): Destination => name as Destination

class FakeConnection implements Connection {
  fact = { host: 'mx.example', address: '127.0.0.1', port: 25, notes: [] }
  offersDsn = true
  taken = 0
  used = false
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

async function enter({ sites }: World, site: Site, name: string, hop = HOP): Promise<Slot> {
  const slot = await sites.enter(site, lane(name), hop)
  expect(slot).toBeDefined()
  return slot!
}

/** What a promise has come to by now. */
async function now<Value>(promise: Promise<Value>): Promise<Value | 'waits'> {
  return Promise.race([promise, new Promise<'waits'>((resolve) => setImmediate(resolve, 'waits'))])
}

test('a lane whose site is at its limit waits in line, and the queue keeps it back', async () => {
  const there = world(1000, 2)
  const site = there.site('mx.example')
  const one = await enter(there, site, 'a.example')
  await enter(there, site, 'a.example')
  const third = there.sites.enter(site, lane('b.example'), HOP)
  expect(await now(third)).toBe('waits')
  expect(there.said).toEqual(['+b.example'])
  expect(await there.sites.enter(site, lane('b.example'), HOP)).toBeUndefined()
  there.sites.leave(one, lane('a.example'))
  expect(await now(third)).toMatchObject({ site })
  expect(there.said).toEqual(['+b.example', '-b.example'])
})

test('urgent lanes are called first, and one call in eight is for the others', async () => {
  const there = world(1000, 1)
  const site = there.site('mx.example')
  let slot = await enter(there, site, 'first.example')
  const called: string[] = []
  const wait = async (name: string, priority: number): Promise<void> => {
    slot = (await there.sites.enter(site, lane(name), HOP, priority))!
    called.push(name)
  }
  for (let n = 0; n < 3; n++) void wait(`bulk${n}`, 70)
  for (let n = 0; n < 10; n++) void wait(`usual${n}`, 10)
  for (let n = 0; n < 5; n++) void wait(`urgent${n}`, 1)
  for (let n = 0; n < 18; n++) {
    there.sites.leave(slot, lane(called.at(-1) ?? 'first.example'))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(called.slice(0, 5)).toEqual(Array.from({ length: 5 }, (_, n) => `urgent${n}`))
  const turns = [...called.entries()].filter(([, name]) => name.startsWith('bulk'))
  expect(turns).toEqual([
    [7, 'bulk0'],
    [15, 'bulk1'],
    [17, 'bulk2'],
  ])
})

test('no site holds more than a tenth of all connections', async () => {
  const there = world(50, 20)
  const site = there.site('mx.example')
  for (let n = 0; n < 5; n++) await enter(there, site, 'a.example')
  expect(await now(there.sites.enter(site, lane('a.example'), HOP))).toBe('waits')
})

test('a fifth of all connections is kept for sites that are quick', async () => {
  const there = world(20)
  for (let n = 0; n < 8; n++) {
    await enter(there, there.site(`dead${n}.example`), 'd.example')
    await enter(there, there.site(`dead${n}.example`), 'd.example')
  }
  const more = there.sites.enter(there.site('dead8.example'), lane('e.example'), HOP)
  expect(await now(more)).toBe('waits')
  const quick = there.site('quick.example')
  quick.took(10)
  await enter(there, quick, 'q.example')
  expect(there.sites.capacity).toMatchObject({ busy: 17, slow: 16 })
})

test('a place that comes free goes to the sites in turn', async () => {
  const there = world(10, 1)
  const held: Slot[] = []
  for (let n = 0; n < 8; n++)
    held.push(await enter(there, there.site(`s${n}.example`), `l${n}.example`))
  const [one, two] = [there.site('one.example'), there.site('two.example')]
  const waiting = [one, two].map((site) => there.sites.enter(site, lane(site.name), HOP))
  expect(await Promise.all(waiting.map(now))).toEqual(['waits', 'waits'])
  there.sites.leave(held[0]!, lane('l0.example'))
  expect(await now(waiting[0]!)).toMatchObject({ site: one })
  expect(await now(waiting[1]!)).toBe('waits')
  there.sites.leave(held[1]!, lane('l1.example'))
  expect(await now(waiting[1]!)).toMatchObject({ site: two })
})

test('an idle connection goes to the next who fits, and is ended after some seconds', async () => {
  const there = world(1000)
  const site = there.site('mx.example')
  const slot = await enter(there, site, 'a.example')
  const connection = new FakeConnection()
  there.sites.opened(slot, connection)
  there.sites.leave(slot, lane('a.example'))
  expect(
    (await enter(there, site, 'b.example', { ...HOP, tls: 'required' })).connection,
  ).toBeUndefined()
  const again = await enter(there, site, 'b.example')
  expect(again.connection).toBe(connection)
  there.sites.leave(again, lane('b.example'))
  there.clock.pass(4900)
  expect(connection.ended).toBe(false)
  there.clock.pass(1200)
  expect(connection.ended).toBe(true)
  expect(there.sites.capacity.idle).toBe(0)
})

test('a connection that carried its number of messages is ended, not kept', async () => {
  const there = world(1000, 20, 3)
  const site = there.site('mx.example')
  const slot = await enter(there, site, 'a.example')
  const connection = new FakeConnection()
  connection.taken = 3
  there.sites.opened(slot, connection)
  there.sites.leave(slot, lane('a.example'))
  expect(connection.ended).toBe(true)
  expect(site.live).toBe(0)
})

test('an idle connection of another site gives way when no more may be open', async () => {
  const there = world(10)
  const first = there.site('s.example')
  const slot = await enter(there, first, 's.example')
  const connection = new FakeConnection()
  there.sites.opened(slot, connection)
  there.sites.leave(slot, lane('s.example'))
  for (let n = 0; n < 10; n++) {
    const site = there.site(`q${n}.example`)
    site.took(1)
    await enter(there, site, `q${n}.example`)
  }
  expect(connection.ended).toBe(true)
  expect(there.sites.capacity).toMatchObject({ busy: 10, idle: 0 })
})

test('a site in trouble lets one probe in, and the others when it is well', async () => {
  const there = world(1000)
  const site = there.site('mx.example')
  const patience = { lifetime: 86_400_000, isUrgent: false }
  site.trouble.step('connect', patience, there.clock.now(), 0, 'dead')
  there.clock.pass(10_000)
  await enter(there, site, 'a.example')
  const others = ['b.example', 'c.example'].map((name) => there.sites.enter(site, lane(name), HOP))
  expect(await Promise.all(others.map(now))).toEqual(['waits', 'waits'])
  site.trouble.over()
  there.sites.serve(site)
  expect(await Promise.all(others.map(now))).not.toContain('waits')
})

test('who waits in line goes home when the site is suspended', async () => {
  const there = world(1000, 1)
  const site = there.site('mx.example')
  await enter(there, site, 'a.example')
  const waiting = there.sites.enter(site, lane('b.example'), HOP)
  there.sites.sendHome(site)
  expect(await waiting).toBeUndefined()
  expect(there.said).toEqual(['+b.example', '-b.example'])
})

test('a line has an end, and whoever finds it full waits in the queue', async () => {
  const there = world(1000, 1)
  const site = there.site('mx.example')
  const slot = await enter(there, site, 'a.example')
  for (let n = 0; n < 1500; n++) void there.sites.enter(site, lane(`l${n}.example`), HOP)
  expect(site.line).toHaveLength(1000)
  expect(site.full.size).toBe(1500)
  there.sites.leave(slot, lane('a.example'))
  expect(site.line).toHaveLength(999)
})
