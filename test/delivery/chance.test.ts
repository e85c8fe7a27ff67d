// Some hundred messages among servers and storage that misbehave at random. Whatever happens, each
// recipient ends once, and what was delivered arrived once, unless it is on record that an attempt
// ended without anybody knowing how.

import { expect, test } from 'vitest'
import type { Queue } from '../../src/queue/port/queue.ts'
import { QueueError } from '../../src/queue/port/types.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { isEnd } from '../../src/mail/outcome.ts'
import { chance, FULL, type Chance } from '../peers/chance.ts'
import type { Mx } from '../peers/mx.ts'
import { arrivals, isTold, recipientsOf, stormy } from '../peers/storm.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const FILES = {
  'policies/relay.yaml': "- allow: { clients: ['127.0.0.0/8'] }\n",
  'policies/routing.yaml': "- { to: ['*'], via: mx, queue: default }\n",
  'policies/shaping.yaml': '- { default: true, connections: 3, messages-per-connection: 9 }\n',
  'queues/default.yaml': 'retry: [1m, 5m]\ngive-up-after: 3h\n',
}
const MESSAGES = FULL ? 200 : 80
const DOMAINS = ['a.example', 'b.example', 'c.example', 'd.example', 'e.example']

interface Storms {
  /** How often a call of the queue fails. */
  readonly storage: number
  /** How often time jumps further than a lease lasts. */
  readonly jumps: number
}

const cases: [name: string, Storms][] = [
  ['servers', { storage: 0, jumps: 0 }],
  ['servers and storage', { storage: 0.03, jumps: 0 }],
  ['servers and the clock', { storage: 0, jumps: 0.02 }],
  ['servers, storage and the clock', { storage: 0.03, jumps: 0.02 }],
]

for (const [name, storms] of cases)
  test(`every recipient ends once while ${name} misbehave`, { timeout: 90_000 }, () =>
    storm(chance(), storms),
  )

async function storm(chance: Chance, { storage, jumps }: Storms): Promise<void> {
  const wrap = ({ queue }: { queue: Queue }) => ({ queue: unreliable(queue, chance, storage) })
  await using world = await startWorld({ files: FILES, wrap })
  const servers = [
    await world.mx(stormy(chance), 'a.example', 'b.example', 'c.example'),
    await world.mx(stormy(chance), 'd.example'),
    await world.mx(stormy(chance), 'e.example'),
    await world.mx({}, 'near.example'),
  ]
  const ids: MessageId[] = []
  for (let n = 0; n < MESSAGES; n++) {
    ids.push(await world.send({ to: recipientsOf(n, chance, DOMAINS), content: contentOf(n) }))
    if (n % 10 === 0) world.pass(1000)
  }
  for (let rounds = 0; (await world.queue.counts('state')).length > 0; rounds++) {
    expect(rounds, 'rounds until all have ended').toBeLessThan(6000)
    world.pass(chance() < jumps ? 300_000 : 15_000)
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  for (const [n, id] of ids.entries()) await check(world, servers, n, id)
}

const FAILING = new Set<string | symbol>([
  'claim',
  'nextDue',
  'take',
  'settle',
  'renew',
  'release',
  'suspend',
  'overdue',
])

function unreliable(queue: Queue, chance: Chance, odds: number): Queue {
  return new Proxy(queue, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...given: unknown[]): unknown =>
        FAILING.has(name) && chance() < odds
          ? Promise.reject(new QueueError('failing', 'The disk is away'))
          : Reflect.apply(value, target, given)
    },
  })
}

function contentOf(n: number): string {
  const body = n % 50 === 7 ? 'x'.repeat(70).concat('\r\n').repeat(6000) : `${n}\r\n`
  return `From: ana@near.example\r\nSubject: number ${n}\r\n\r\n${body}`
}

async function check(world: World, servers: readonly Mx[], n: number, id: MessageId) {
  const trace = (await world.queue.trace(id))!
  const doubtful = new Set<string>()
  for (const fact of trace.facts) {
    if (fact.kind === 'interrupted') doubtful.add(fact.delivery)
    if (fact.kind !== 'settled') continue
    if (fact.results.some(({ outcome }) => outcome?.kind === 'unknown')) doubtful.add(fact.delivery)
  }
  for (const { to, state, delivery, notice } of trace.entries) {
    const about = `message ${n} to ${to}: ${JSON.stringify(trace.facts)}`
    expect(isEnd(state), about).toBe(true)
    const ends = world.told('ended').filter((event) => event.id === id && event.to === to)
    expect(ends.length, about).toBeGreaterThanOrEqual(1)
    if (!doubtful.has(delivery)) expect(ends.length, about).toBe(1)
    expect(isTold(servers, to), about).toBe(state !== 'delivered')
    if (state !== 'delivered') expect(notice, about).toBe('sent')
    const times = arrivals(servers, n, to)
    if (state === 'delivered') expect(times, about).toBeGreaterThanOrEqual(1)
    if (!doubtful.has(delivery)) expect(times, about).toBe(state === 'delivered' ? 1 : 0)
  }
}
