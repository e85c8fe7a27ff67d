// The queue as the whole relay shows it: who goes first, what is held, what is forgotten.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { storedContent } from '../peers/engine.ts'
import { startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'

const BY = { who: 'olga', why: 'a trial' }
const DAY = 24 * 3_600_000

test(
  'an urgent message overtakes a thousand bulk ones to other lanes',
  { timeout: 60_000 },
  async () => {
    await using mx = await startMx({}, MX_PLACE)
    const domains = Array.from({ length: 50 }, (_, n) => `bulk${n}.example`)
    await using relay = await startRelay({
      mx: Object.fromEntries([...domains, 'otp.example'].map((domain) => [domain, [mx]])),
      files: {
        'policies/routing.yaml':
          "- { to: [otp.example], via: mx, queue: urgent }\n- { to: ['*'], via: mx, queue: bulk }\n",
        'policies/shaping.yaml': '- { default: true, connections: 2 }\n',
        'queues/urgent.yaml': 'priority: 1\n',
        'queues/bulk.yaml': 'priority: 70\n',
      },
    })
    const { queue } = relay.real
    await queue.hold({ kind: 'all' }, BY)
    await relay.sendAll(
      Array.from({ length: 1000 }, (_, n) => ({ to: `n${n}@${domains[n % 50]}` })),
    )
    await relay.send({ to: 'code@otp.example' })
    await queue.unhold({ kind: 'all' }, BY)
    await relay.holds(() => relay.events.filter(({ kind }) => kind === 'ended').length === 1001)
    const place = mx.taken.findIndex(({ to }) => to[0] === 'code@otp.example')
    // Those that had a connection when it came may finish their turn.
    expect(place).toBeLessThan(250)
  },
)

test('a standing hold on a queue covers what waits and what comes', async () => {
  await using mx = await startMx({ RCPT: ['450 4.2.0 Later', '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({
    mx: { 'far.example': [mx], 'too.example': [mx] },
    files: {
      'policies/routing.yaml':
        "- { to: [far.example], via: mx, queue: bulk }\n- { to: ['*'], via: mx, queue: default }\n",
      'queues/bulk.yaml': 'priority: 70\n',
    },
  })
  const { queue } = relay.real
  const before = await relay.send({ to: 'bo@far.example' })
  await relay.until('attempted', before)
  expect(await queue.hold({ kind: 'queue', name: 'bulk' }, BY)).toMatchObject({ count: 1 })
  const after = await relay.send({ to: 'cy@far.example' })
  const other = await relay.send({ to: 'di@too.example' })
  expect(await relay.until('ended', other)).toMatchObject({ end: 'delivered' })
  relay.pass('100h')
  for (const id of [before, after])
    expect((await relay.entries(id))[0]).toMatchObject({ state: 'held', held: BY })
  await queue.unhold({ kind: 'queue', name: 'bulk' }, BY)
  for (const id of [before, after])
    expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

test('an act on a delivery under way follows its attempt, and one that was delivered says so', async () => {
  const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  let turn = 0
  await using mx = await startMx({ dot: () => gates[turn++]!.promise }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const { queue } = relay.real
  for (const [n, reply] of ['451 4.3.0 Later', '250 2.0.0 ok'].entries()) {
    const id = await relay.send({ to: 'bo@far.example' })
    await expect.poll(() => turn).toBe(n + 1)
    expect(await queue.steer('cancel', { ids: [id] }, BY)).toEqual({ count: 0, busy: 1 })
    gates[n]!.resolve(reply)
    await relay.until('attempted', id)
    const state = n === 0 ? 'cancelled' : 'delivered'
    await expect.poll(async () => (await relay.entries(id))[0]?.state).toBe(state)
    const trace = (await queue.trace(id))!
    expect(trace.facts).toContainEqual(
      expect.objectContaining({ kind: 'act', act: 'cancel', ...BY }),
    )
  }
})

test('content goes when the last recipient ends, and the history a week later', async () => {
  await using mx = await startMx({ RCPT: ['250 ok', '450 4.2.0 Later', '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const content = (): Promise<string[]> => storedContent(join(relay.folder, 'data'))
  const text = randomBytes(300_000).toString('hex')
  const id = await relay.send({ to: ['bo@far.example', 'cy@far.example'], text })
  await relay.until('ended', id)
  expect(await content()).not.toEqual([])
  relay.pass('2m')
  await relay.until('ended', id)
  await expect.poll(content).toEqual([])

  const { queue } = relay.real
  relay.clock.pass(7 * DAY - 60_000)
  relay.pass('1m')
  expect((await queue.trace(id))?.entries).toHaveLength(2)
  const later = () => {
    relay.pass('1m')
    return queue.trace(id)
  }
  await expect.poll(later).toBeUndefined()
  expect((await queue.find({ ids: [id] }, { limit: 5 })).entries).toEqual([])
})

test('what waits outlives a relay, and is delivered by the next', async () => {
  await using mx = await startMx({ RCPT: ['450 4.2.0 Later', '250 ok'] }, MX_PLACE)
  const mxs = { 'far.example': [mx] }
  await using first = await startRelay({ mx: mxs })
  const id = await first.send({ to: 'bo@far.example' })
  await first.until('attempted', id)
  const data = join(first.folder, 'data')
  const { clock } = first
  await first.real.drain(1000)
  await first.real[Symbol.asyncDispose]()
  await using second = await startRelay({ mx: mxs, data, clock })
  second.pass('2m')
  expect(await second.until('ended', id)).toMatchObject({ end: 'delivered' })
  expect((await second.entries(id))[0]).toMatchObject({ attempts: 2 })
})
