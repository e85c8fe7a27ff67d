// Sites: what their hosts have in common. Limits, shared connections, and trouble that stops all
// their mail and nobody else's.

import { expect, test } from 'vitest'
import { drop, startMx } from '../peers/mx.ts'
import type { Answer, Mx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'

test('three different deliveries that lose their connection in a row suspend the site', async () => {
  await using mx = await startMx({ RCPT: drop }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const ids = []
  for (const name of ['bo', 'cy', 'di']) {
    expect(relay.events.some(({ kind }) => kind === 'suspended')).toBe(false)
    ids.push(await relay.send({ to: `${name}@far.example` }))
    await relay.until('attempted', ids.at(-1))
  }
  expect((await relay.until('suspended')).reason).toMatch(/closed the connection|ECONNRESET/)
  for (const id of ids) expect((await relay.entries(id))[0]).toMatchObject({ attempts: 1 })

  const sessions = mx.sessions
  const later = await relay.send({ to: 'ed@far.example' })
  await expect
    .poll(async () => (await relay.real.queue.trace(later))?.suspended)
    .toMatchObject([{ lane: 'far.example' }])
  expect(mx.sessions).toBe(sessions)
  expect((await relay.entries(later))[0]).toMatchObject({ state: 'waiting', attempts: 0 })
})

test('one delivery that loses its connection again and again suspends nobody', async () => {
  const byName = (command: string) => (command.includes('bad@') ? drop : '250 ok')
  await using mx = await startMx({ RCPT: byName }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: 'bad@far.example' })
  for (let n = 0; n < 4; n++) {
    await relay.until('attempted', id)
    relay.pass('31m')
  }
  const other = await relay.send({ to: 'bo@far.example' })
  expect(await relay.until('ended', other)).toMatchObject({ end: 'delivered' })
  expect(relay.events.some(({ kind }) => kind === 'suspended')).toBe(false)
})

test('when a suspension is over one connection looks first, and then all go on', async () => {
  await using mx = await startMx({ greeting: '421 4.3.2 Closed' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'too.example': [mx] } })
  await relay.send({ to: 'first@far.example' })
  await relay.until('suspended')
  const mails = Array.from({ length: 20 }, (_, n) => {
    return { to: `n${n}@${n % 2 === 0 ? 'far' : 'too'}.example` }
  })
  await relay.sendAll(mails)
  const before = mx.sessions

  const greeting = Promise.withResolvers<string>()
  mx.change({ greeting: () => greeting.promise })
  relay.pass('61s')
  await mx.until(() => mx.sessions === before + 1)
  // Whoever comes now finds it probing.
  await relay.send({ to: 'late@far.example' })
  expect(mx.sessions).toBe(before + 1)
  greeting.resolve('220 mx.example ESMTP')
  await mx.until(() => mx.taken.length === 22)
  expect(relay.events.filter(({ kind }) => kind === 'suspended')).toHaveLength(1)
})

test('a probe that fails waits a step longer, whatever the schedule of the mail', async () => {
  await using mx = await startMx({ greeting: '421 4.3.2 Closed' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const ids = await relay.sendAll(
    Array.from({ length: 20 }, (_, n) => ({ to: `n${n}@far.example` })),
  )
  for (const step of [10_000, 20_000, 40_000]) {
    const { until } = await relay.until('suspended')
    expect(until - relay.clock.now()).toBe(step)
    const { queue } = relay.real
    await expect.poll(() => queue.counts('state')).toEqual([{ key: 'waiting', count: 20 }])
    relay.clock.pass(step)
  }
  for (const id of ids) expect((await relay.entries(id))[0]).toMatchObject({ attempts: 0 })
})

test('domains with the same hosts share their connections', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({
    mx: { 'far.example': [mx], 'too.example': [mx] },
    files: { 'policies/shaping.yaml': '- { default: true, connections: 1 }\n' },
  })
  const mails = Array.from({ length: 40 }, (_, n) => {
    return { to: `n${n}@${n % 2 === 0 ? 'far' : 'too'}.example` }
  })
  await relay.sendAll(mails)
  await mx.until(() => mx.taken.length === 40)
  expect(mx.sessions).toBe(1)
  expect(new Set(mx.taken.map(domainOf)).size).toBe(2)
})

test('the limits of shaping.yaml hold under load', async () => {
  let [open, most] = [0, 0]
  const greeting = (): string => {
    most = Math.max(most, ++open)
    return '220 mx.example ESMTP'
  }
  // A server that takes its time to say goodbye counts the connection until then.
  const QUIT = async (): Promise<Answer> => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    open--
    return { last: '221 2.0.0 bye' }
  }
  await using mx = await startMx({ greeting, QUIT }, MX_PLACE)
  await using relay = await startRelay({
    mx: { 'far.example': [mx] },
    files: {
      'policies/shaping.yaml':
        "- { default: true, connections: 20 }\n- { mx: ['*.example'], connections: 3, messages-per-connection: 7 }\n",
    },
  })
  await relay.sendAll(Array.from({ length: 100 }, (_, n) => ({ to: `n${n}@far.example` })))
  await mx.until(() => mx.taken.length === 100)
  expect(most).toBe(3)
  const bySession = Map.groupBy(mx.taken, ({ session }) => session)
  for (const taken of bySession.values()) expect(taken.length).toBeLessThanOrEqual(7)
  expect(mx.sessions).toBeLessThanOrEqual(20)
})

test('recipients that are too many for one transaction go on in another at once', async () => {
  for (const reply of ['452 4.5.3 Too many recipients', '552 Too many', '452 Enough']) {
    let count = 0
    const MAIL = () => ((count = 0), '250 2.1.0 ok')
    const RCPT = () => (++count > 2 ? reply : '250 2.1.5 ok')
    await using mx = await startMx({ MAIL, RCPT }, MX_PLACE)
    await using relay = await startRelay({ mx: { 'far.example': [mx] } })
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@far.example`)
    const id = await relay.send({ to: names })
    await mx.until(() => mx.taken.length === 3)
    expect(mx.taken.map(({ to }) => to.length)).toEqual([2, 2, 1])
    expect(mx.taken.flatMap(({ to }) => to).sort()).toEqual(names)
    for (const _ of names) await relay.until('ended', id)
    for (const entry of await relay.entries(id))
      expect(entry).toMatchObject({ state: 'delivered', attempts: 1 })
    expect(mx.sessions).toBe(1)
  }
})

function domainOf({ to }: Mx['taken'][number]): string {
  return to[0]!.split('@')[1]!
}
