// Bad destinations: what they suspend, what ends it, and that nobody else notices.

import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { drop } from '../peers/mx.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const MINUTE = 60_000

function dead(world: World, ...domains: string[]): void {
  world.deadHost('dead.example')
  for (const domain of domains) world.dns.set({ [domain]: { MX: ['10 dead.example'] } })
}

test('trouble before MAIL suspends the site, and burns no attempt', async () => {
  await using world = await startWorld()
  dead(world, 'far.example')
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  await world.until(() => world.told('attempted').length === 1)
  expect(world.told('attempted')).toMatchObject([{ attempts: 0, outcome: { kind: 'deferred' } }])
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 0 })
  expect(await world.queue.suspensions()).toMatchObject([
    { lane: 'far.example', until: world.clock.now() + 10_000, cause: 'connect' },
  ])
})

test('a suspended site takes new lanes of its own along without a call', async () => {
  await using world = await startWorld()
  dead(world, 'one.example', 'two.example')
  await world.send({ to: ['bo@one.example'] })
  await world.until(() => world.told('suspended').length === 1)
  await world.send({ to: ['bo@two.example'] })
  await world.until(async () => (await world.queue.suspensions()).length === 2)
  expect(world.told('attempted')).toHaveLength(1)
})

test('trouble steps back by minutes while it lasts, whatever the schedule of the mail', async () => {
  await using world = await startWorld()
  dead(world, 'far.example')
  await world.send({ to: ['bo@far.example'] })
  for (const [n, wait] of [10, 20, 40, 80, 160, 300, 300].entries()) {
    await world.until(() => world.told('suspended').length === n + 1)
    const { at, until } = world.told('suspended').at(-1)!
    expect(until - at).toBe(wait * 1000)
    await world.until(() => world.told('attempted').length === n + 1)
    world.pass(wait * 1000)
  }
})

test('leases that were out when the site was suspended hurry nobody', async () => {
  await using world = await startWorld()
  let turn = 0
  const greeting = async () => {
    await new Promise((resolve) => setTimeout(resolve, (turn++ % 5) * 4))
    return '421 4.3.2 Down'
  }
  const domains = Array.from({ length: 30 }, (_, n) => `d${n}.example`)
  await world.mx({ greeting }, ...domains)
  for (let n = 0; n < 300; n++) await world.send({ to: [`u${n}@${domains[n % 30]!}`] })
  await world.until(async () => (await world.queue.suspensions()).length === 30)
  const waiting = [{ key: 'waiting', count: 300 }]
  await world.until(async () => isDeepStrictEqual(await world.queue.counts('state'), waiting))
  expect(world.told('suspended')).toHaveLength(1)
})

test('when trouble ends one connection probes first, and then all go on', async () => {
  await using world = await startWorld()
  const gate = Promise.withResolvers<string>()
  const mx = await world.mx({ greeting: '421 4.3.2 Down' }, 'far.example')
  const ids = Array.from({ length: 20 }, (_, n) => `u${n}@far.example`)
  for (const to of ids) await world.send({ to: [to] })
  await world.until(() => world.told('suspended').length === 1)
  await world.until(() => mx.open === 0)
  mx.change({ greeting: '220 mx.example ESMTP', dot: [() => gate.promise, '250 ok'] })
  const before = mx.sessions
  world.pass(MINUTE)
  await mx.until(() => mx.heard.includes('DATA'))
  expect(mx.sessions - before).toBe(1)
  gate.resolve('250 ok')
  await world.until(() => world.told('ended').length === 20)
  expect(world.told('suspended')).toHaveLength(1)
})

test('three different deliveries in a row that lose the connection suspend their site', async () => {
  const shaping = '- { default: true, connections: 1 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const mx = await world.mx({ DATA: drop }, 'far.example')
  for (let n = 0; n < 5; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('suspended').length === 1)
  await world.until(() => world.told('attempted').length === 3)
  expect(world.told('attempted').map(({ attempts }) => attempts)).toEqual([1, 1, 1])
  mx.change({ DATA: '354 go on' })
  world.pass(MINUTE)
  await world.until(() => world.told('ended').length === 5)
})

test('one message that a server chokes on blocks nobody', async () => {
  const shaping = '- { default: true, connections: 1 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const answer = (line: string) => (line.includes('poison') ? drop : '250 ok')
  await world.mx({ RCPT: answer }, 'far.example')
  await world.send({ to: ['poison@far.example'] })
  for (let n = 0; n < 10; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('ended').length === 10)
  expect(world.told('suspended')).toEqual([])
})

test('name servers that fail burn no attempt and suspend the lane', async () => {
  await using world = await startWorld({ zone: { 'ill.example': 'servfail' } })
  const id = await world.send({ to: ['bo@ill.example'] })
  await world.until(() => world.told('suspended').length === 1)
  await world.until(() => world.told('attempted').length === 1)
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 0 })
  const mx = await world.mx({}, 'ill.example')
  world.pass(MINUTE)
  await world.until(() => world.told('ended').length === 1)
  expect(mx.taken).toHaveLength(1)
})

test('a server that lets in fewer than we want is not in trouble', async () => {
  await using world = await startWorld()
  let open = 0
  const mx = await world.mx(
    { greeting: () => (++open > 3 ? '421 4.7.0 Too many connections' : '220 ready') },
    'far.example',
  )
  for (let n = 0; n < 40; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('ended').length === 40)
  expect(world.told('suspended')).toEqual([])
  expect(mx.taken).toHaveLength(40)
})

test('an operator who wants it tried now is heard while the site is suspended', async () => {
  await using world = await startWorld()
  const mx = await world.mx({ greeting: '421 4.3.2 Down' }, 'far.example')
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('attempted').length === 1)
  mx.change({ greeting: '220 mx.example ESMTP' })
  await world.queue.steer('retry', { ids: [id] }, { who: 'ops', why: 'It is back' })
  await world.until(() => world.told('ended').length === 1)
})

test('lanes of one site take turns at its connections', async () => {
  const shaping = '- { default: true, connections: 3 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const domains = Array.from({ length: 300 }, (_, n) => `d${n}.example`)
  const mx = await world.mx({}, ...domains, 'busy.example')
  const busy = Array.from({ length: 500 }, (_, n) => ({ to: [`u${n}@busy.example`] }))
  await Promise.all(busy.map((mail) => world.send(mail)))
  await Promise.all(domains.map((domain) => world.send({ to: [`bo@${domain}`] })))
  await world.until(() => world.told('ended').length === 800)
  expect(mx.taken).toHaveLength(800)
  expect(Math.max(...mx.taken.map(({ session }) => session))).toBeLessThan(20)
  const last = mx.taken.map(({ to }) => to[0]!).findLastIndex((to) => to.endsWith('@busy.example'))
  expect(last).toBeGreaterThan(500)
})

test('ten thousand messages for a dead site do not slow another', async () => {
  await using world = await startWorld()
  dead(world, 'dead-site.example')
  const mx = await world.mx({}, 'far.example')
  const many = Array.from({ length: 10_000 }, (_, n) => ({ to: [`u${n}@dead-site.example`] }))
  await Promise.all(many.map((mail) => world.send(mail)))
  await world.until(() => world.told('suspended').length === 1)
  const calls = world.told('attempted').length
  for (let n = 0; n < 50; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('ended').length === 50)
  expect(mx.taken).toHaveLength(50)
  expect(calls).toBeLessThanOrEqual(20)
  expect(world.told('attempted').length - 50).toBeLessThanOrEqual(20)
}, 30_000)
