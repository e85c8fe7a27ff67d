// The whole relay among servers that misbehave at random, drained and started anew now and then.
// Each recipient ends once, what was delivered arrived once unless an attempt is on record of which
// nobody knows the end, and every failure came back.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isEnd } from '../../src/mail/outcome.ts'
import type { Fact } from '../../src/queue/port/history.ts'
import type { QueueReader } from '../../src/queue/port/reader.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { chance } from '../peers/chance.ts'
import { startMx } from '../peers/mx.ts'
import type { Mx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'
import type { Relay, RelayOptions } from '../peers/relay.ts'
import { arrivals, isTold, recipientsOf, stormy } from '../peers/storm.ts'

const MESSAGES = 200
const STARTS = 4
const DOMAINS = ['a.example', 'b.example', 'c.example', 'd.example']
const FILES = {
  'policies/shaping.yaml': '- { default: true, connections: 3, messages-per-connection: 9 }\n',
  'queues/default.yaml': 'retry: [1m, 5m]\ngive-up-after: 3h\n',
}

test('every recipient ends once, whatever the servers do', { timeout: 120_000 }, async () => {
  const lots = chance()
  await using one = await startMx(stormy(lots), MX_PLACE)
  await using two = await startMx(stormy(lots), MX_PLACE)
  await using near = await startMx({}, MX_PLACE)
  const mx = {
    'a.example': [one],
    'b.example': [one, two],
    'c.example': [two],
    'd.example': [two, one],
    'near.example': [near],
  }
  await using relays = new AsyncDisposableStack()
  const first = relays.use(await startRelay({ mx, files: FILES, chance: lots }))
  const options = {
    mx,
    files: FILES,
    chance: lots,
    data: join(first.folder, 'data'),
    clock: first.clock,
  }
  const mails = Array.from({ length: MESSAGES }, (_, n) => ({
    to: recipientsOf(n, lots, DOMAINS),
    subject: `number ${n}`,
    text: n % 40 === 7 ? 'x'.repeat(70).concat('\n').repeat(6000) : `${n}\n`,
  }))
  const ids: MessageId[] = []
  let relay = first
  for (let start = 0; start < STARTS; start++) {
    if (start > 0) relay = relays.use(await next(relay, options))
    const share = MESSAGES / STARTS
    ids.push(...(await relay.sendAll(mails.slice(start * share, (start + 1) * share))))
    await pass(relay, 20)
  }
  const last = relay
  while ((await last.real.queue.counts('state')).length > 0) await pass(last, 1)
  const servers = [one, two]
  for (const [n, id] of ids.entries()) await check(last.real.queue, servers, near, n, id)
})

async function next(relay: Relay, options: RelayOptions): Promise<Relay> {
  const passing = setInterval(() => relay.clock.pass(100), 5)
  await relay.real.drain(2000)
  await relay.real[Symbol.asyncDispose]()
  clearInterval(passing)
  return startRelay(options)
}

async function pass({ clock }: Relay, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    clock.pass(15_000)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function check(
  queue: QueueReader,
  servers: readonly Mx[],
  near: Mx,
  n: number,
  id: MessageId,
): Promise<void> {
  const { facts, entries } = (await queue.trace(id))!
  const doubtful = new Set(facts.flatMap(inDoubt))
  for (const { to, state, delivery, notice } of entries) {
    const about = `message ${n} to ${to}: ${JSON.stringify(facts)}`
    expect(isEnd(state), about).toBe(true)
    const times = arrivals(servers, n, to)
    if (state === 'delivered') expect(times, about).toBeGreaterThanOrEqual(1)
    if (!doubtful.has(delivery)) expect(times, about).toBe(state === 'delivered' ? 1 : 0)
    expect(notice, about).toBe(state === 'delivered' ? undefined : 'sent')
    expect(isTold([near], to), about).toBe(state !== 'delivered')
  }
}

/** The delivery, where this fact says that an attempt may have arrived. */
function inDoubt(fact: Fact): string[] {
  if (fact.kind === 'interrupted') return [fact.delivery]
  if (fact.kind !== 'settled') return []
  return fact.results.some(({ outcome }) => outcome?.kind === 'unknown') ? [fact.delivery] : []
}
