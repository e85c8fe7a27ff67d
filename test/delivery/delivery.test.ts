// Mail from the queue to real servers: what arrives, what waits, what comes back.

import { expect, test } from 'vitest'
import { drop } from '../peers/mx.ts'
import type { Mx } from '../peers/mx.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function outcomes(world: World): string[] {
  return world.told('attempted').map(({ to, outcome }) => `${to} ${outcome.kind}`)
}

function ends(world: World): string[] {
  return world.told('ended').map(({ to, end, notice }) => [to, end, notice].join(' ').trim())
}

/** Someone to whom notices go. */
function ana(world: World): Promise<Mx> {
  return world.mx({}, 'near.example')
}

test('mail arrives, and its recipient ends as delivered', async () => {
  await using world = await startWorld()
  const mx = await world.mx({}, 'far.example')
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('ended').length === 1)
  expect(mx.taken).toMatchObject([{ from: 'ana@near.example', to: ['bo@far.example'] }])
  expect(mx.taken[0]!.content.toString()).toContain('Subject: hi')
  expect(await world.entry(id)).toMatchObject({ state: 'delivered', attempts: 1 })
  const [attempted] = world.told('attempted')
  expect(attempted).toMatchObject({ attempts: 1, outcome: { kind: 'delivered' } })
  expect(attempted!.attempt).toMatchObject({ address: mx.address, port: mx.port })
  expect(attempted!.attempt.signed).toContain('unsigned')
})

test('greylisted mail is tried again by the schedule, and arrives once', async () => {
  await using world = await startWorld()
  const mx = await world.mx({ RCPT: ['450 4.7.1 Come back later', '250 ok'] }, 'far.example')
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('attempted').length === 1)
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 1 })
  expect((await world.entry(id)).next).toBe(world.clock.now() + MINUTE)
  world.pass(MINUTE)
  await world.until(() => world.told('ended').length === 1)
  expect(mx.taken).toHaveLength(1)
  expect(outcomes(world)).toEqual(['bo@far.example deferred', 'bo@far.example delivered'])
})

test('each recipient of one transaction has its own outcome', async () => {
  await using world = await startWorld()
  await ana(world)
  const answer = (line: string): string => {
    if (line.includes('no@')) return '550 5.1.1 No such user'
    return line.includes('later@') ? '450 4.2.1 Busy' : '250 ok'
  }
  const mx = await world.mx({ RCPT: answer }, 'far.example')
  const to = ['bo@far.example', 'no@far.example', 'later@far.example', 'cy@far.example']
  await world.send({ to })
  await world.until(() => world.told('ended').length >= 4)
  expect(mx.taken).toMatchObject([{ to: ['bo@far.example', 'cy@far.example'] }])
  expect(ends(world)).toEqual([
    'bo@far.example delivered',
    'no@far.example bounced sent',
    'cy@far.example delivered',
    'ana@near.example delivered',
  ])
  mx.change({ RCPT: '250 ok' })
  world.pass(MINUTE)
  await world.until(() => ends(world).includes('later@far.example delivered'))
  expect(mx.taken[1]).toMatchObject({ to: ['later@far.example'] })
})

test('a bounce is told to the sender in one notice for all who failed', async () => {
  await using world = await startWorld()
  const home = await ana(world)
  await world.mx({ RCPT: '550 5.1.1 No such user' }, 'far.example')
  await world.send({ to: ['bo@far.example', 'cy@far.example'] })
  await home.until(() => home.taken.length === 1)
  expect(home.taken[0]).toMatchObject({ from: '', to: ['ana@near.example'] })
  const text = home.taken[0]!.content.toString()
  expect(text).toContain('bo@far.example')
  expect(text).toContain('cy@far.example')
})

test('a notice that bounces ends recorded, and nobody is told', async () => {
  await using world = await startWorld()
  await world.mx({ RCPT: '550 5.1.1 No such user' }, 'far.example', 'near.example')
  await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('ended').length === 2)
  expect(ends(world)).toEqual([
    'bo@far.example bounced sent',
    'ana@near.example bounced null sender',
  ])
})

test('too many recipients go on at once in another transaction', async () => {
  await using world = await startWorld()
  let accepted = 0
  const mx = await world.mx(
    {
      MAIL: () => {
        accepted = 0
        return '250 ok'
      },
      RCPT: () => (++accepted > 2 ? '452 4.5.3 Too many recipients' : '250 ok'),
    },
    'far.example',
  )
  const to = ['a', 'b', 'c', 'd', 'e'].map((local) => `${local}@far.example`)
  const id = await world.send({ to })
  await world.until(() => world.told('ended').length === 5)
  expect(mx.taken.map((taken) => taken.to.length)).toEqual([2, 2, 1])
  expect(await world.entry(id, 4)).toMatchObject({ state: 'delivered', attempts: 1 })
})

test('a dead host falls to the next, and is noted', async () => {
  await using world = await startWorld()
  const mx = await world.mx({}, 'other.example')
  world.deadHost('dead.example')
  world.dns.set({
    'far.example': { MX: ['10 dead.example', '20 live.example'] },
    'live.example': { A: [mx.address] },
  })
  await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('ended').length === 1)
  const [attempted] = world.told('attempted')
  expect(attempted!.attempt).toMatchObject({ host: 'live.example' })
  expect(attempted!.attempt.notes?.join()).toContain('dead.example')
  expect(world.told('suspended')).toEqual([])
})

test('a domain that does not exist bounces, and so does the null MX', async () => {
  await using world = await startWorld({ zone: { 'null.example': { MX: ['0 .'] } } })
  await ana(world)
  await world.send({ to: ['bo@nowhere.example'] })
  await world.send({ to: ['bo@null.example'] })
  await world.until(() => world.told('ended').length === 4)
  const replies = world.told('attempted').map(({ outcome }) => outcome.reply.status)
  expect(replies).toEqual(expect.arrayContaining(['5.1.2', '5.1.10']))
  expect(ends(world).filter((end) => end.endsWith('bounced sent'))).toHaveLength(2)
})

test('a reply to the dot that is not seen is unknown, waits longer, and the same host is first', async () => {
  await using world = await startWorld()
  const first = await world.mx({ dot: [drop, '250 ok'] }, 'one.example')
  const second = await world.mx({ dot: [drop, '250 ok'] }, 'two.example')
  world.dns.set({
    'far.example': { MX: ['10 both.example'] },
    'both.example': { A: [first.address, second.address] },
  })
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('attempted').length === 1)
  expect(outcomes(world)).toEqual(['bo@far.example unknown'])
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 1 })
  expect((await world.entry(id)).next).toBe(world.clock.now() + 5 * MINUTE)
  world.pass(5 * MINUTE)
  await world.until(() => world.told('ended').length === 1)
  const [one, two] = world.told('attempted').map(({ attempt }) => attempt.address)
  expect(two).toBe(one)
  expect(first.sessions + second.sessions).toBe(2)
})

test('a changed route moves waiting mail to its new lane in one recorded step', async () => {
  await using world = await startWorld()
  const mx = await world.mx({ RCPT: '450 4.2.1 Busy' }, 'far.example')
  const hop = await world.mx({}, 'hop.example')
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('attempted').length === 1)
  const via = `{ host: ${hop.address}, port: ${hop.port}, tls: none }`
  await world.setFiles({ 'policies/routing.yaml': `- { to: [far.example], via: ${via} }\n` })
  world.pass(MINUTE)
  await world.until(() => world.told('ended').length === 1)
  expect(hop.taken).toHaveLength(1)
  expect(mx.taken).toHaveLength(0)
  const trace = await world.queue.trace(id)
  const moves = trace!.facts.filter((fact) => fact.kind === 'settled' && fact.moveTo !== undefined)
  expect(moves).toMatchObject([{ moveTo: { rule: 'routing.yaml:1' } }])
})

test('what waits too long is warned of once, and expires with a notice, also while suspended', async () => {
  await using world = await startWorld()
  const home = await ana(world)
  world.deadHost('dead.example')
  world.dns.set({ 'far.example': { MX: ['10 dead.example'] } })
  await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  world.pass(4 * HOUR)
  await world.passUntil(() => world.told('warned').length === 1)
  await home.until(() => home.taken.length === 1)
  world.pass(5 * 24 * HOUR)
  await world.passUntil(() => ends(world).includes('bo@far.example expired sent'))
  await home.until(() => home.taken.length === 2)
  expect(home.taken[1]!.content.toString()).toContain('bo@far.example')
  expect(world.told('warned')).toHaveLength(1)
})

test('what an operator refuses bounces with the reason', async () => {
  await using world = await startWorld()
  const home = await ana(world)
  world.deadHost('dead.example')
  world.dns.set({ 'far.example': { MX: ['10 dead.example'] } })
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  await world.queue.steer('refuse', { ids: [id] }, { who: 'ops', why: 'A mistake' })
  await world.passUntil(() => ends(world).includes('bo@far.example bounced sent'))
  const [ended] = world.told('ended')
  expect(ended).toMatchObject({ by: 'ops', reason: 'A mistake' })
  await home.until(() => home.taken.length === 1)
  expect(home.taken[0]!.content.toString()).toContain('A mistake')
})

test('success is told when it was asked for and the server does not take the wish', async () => {
  await using world = await startWorld()
  const home = await ana(world)
  await world.mx({ offers: ['PIPELINING'] }, 'plain.example')
  await world.mx({}, 'dsn.example')
  await world.send({ to: ['bo@dsn.example'], notify: ['success'] })
  await world.until(() => world.told('ended').length === 1)
  await world.send({ to: ['bo@plain.example'], notify: ['success'] })
  await home.until(() => home.taken.length === 1)
  expect(home.taken[0]!.content.toString()).toContain('bo@plain.example')
})

test('one connection carries many messages, of several domains of one site', async () => {
  await using world = await startWorld()
  const mx = await world.mx({}, 'one.example', 'two.example')
  await world.send({ to: ['bo@one.example'] })
  await world.until(() => world.told('ended').length === 1)
  await world.send({ to: ['bo@two.example'] })
  await world.until(() => world.told('ended').length === 2)
  expect(mx.sessions).toBe(1)
})

test('a connection carries no more messages than its site takes', async () => {
  const shaping = '- { default: true, connections: 1, messages-per-connection: 3 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const mx = await world.mx({}, 'far.example')
  for (let n = 0; n < 7; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('ended').length === 7)
  expect(mx.sessions).toBe(3)
  expect(mx.taken).toHaveLength(7)
})

test('a server that closes between messages is a limit: reconnect, and nothing is burned', async () => {
  const shaping = '- { default: true, connections: 1 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const MAIL = ['250 ok', '421 4.7.0 Enough for one connection', '250 ok']
  const mx = await world.mx({ MAIL }, 'far.example')
  await world.send({ to: ['a@far.example'] })
  await world.send({ to: ['b@far.example'] })
  await world.until(() => world.told('ended').length === 2)
  expect(mx.sessions).toBe(2)
  expect(outcomes(world)).toEqual(['a@far.example delivered', 'b@far.example delivered'])
})

test('a lane with much due work is served by many connections, up to the limit of the site', async () => {
  const shaping = '- { default: true, connections: 5 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const gate = Promise.withResolvers<string>()
  const mx = await world.mx({ dot: () => gate.promise }, 'far.example')
  await Promise.all(Array.from({ length: 30 }, (_, n) => world.send({ to: [`u${n}@far.example`] })))
  await mx.until(() => mx.open === 5)
  gate.resolve('250 ok')
  await world.until(() => world.told('ended').length === 30)
  expect(mx.sessions).toBe(5)
})
