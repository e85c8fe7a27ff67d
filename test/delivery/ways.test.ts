// Replies that speak of us and not of the mail: what waits, what is suspended, what bounces all the same.

import { expect, test } from 'vitest'
import type { Answer, Mx, Session } from '../peers/mx.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const SECOND = 1000

/** All mail goes to this server, which an operator has named. */
async function nameHop(world: World, mx: Mx): Promise<void> {
  const via = `{ host: ${mx.address}, port: ${mx.port}, tls: none }`
  await world.setFiles({ 'policies/routing.yaml': `- { to: ['*'], via: ${via} }\n` })
}

/** Recipients that have ended, without those of notices. */
function theirs(world: World) {
  return world.told('ended').filter(({ from }) => from !== '')
}

function ended(world: World): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { end } of theirs(world)) counts[end] = (counts[end] ?? 0) + 1
  return counts
}

const OF_US: [verb: 'MAIL' | 'RCPT' | 'DATA', reply: string][] = [
  ['MAIL', '530 5.7.57 Client not authenticated to send mail'],
  ['MAIL', '550 5.7.30 Basic authentication is not supported'],
  ['RCPT', '554 5.7.1 Relay access denied'],
  ['DATA', '535 5.7.139 Authentication unsuccessful'],
]
for (const [verb, reply] of OF_US) {
  test(`a named hop that says "${reply}" at ${verb} has its mail wait, with an alarm`, async () => {
    await using world = await startWorld()
    const mx = await world.mx({ [verb]: reply }, 'hop.example')
    await nameHop(world, mx)
    for (let n = 0; n < 40; n++) await world.send({ to: [`u${n}@far.example`] })
    await world.until(() => world.told('suspended').length === 1)
    expect(world.told('suspended')[0]).toMatchObject({ cause: 'login' })
    expect(world.told('suspended')[0]!.reason).toContain(reply)
    // It is asked by one connection at a time.
    world.pass(30 * SECOND)
    await world.until(() => world.told('suspended').length === 2)
    await world.quiet()
    mx.change({ [verb]: verb === 'DATA' ? '354 go on' : '250 ok' })
    world.pass(120 * SECOND)
    await world.until(() => theirs(world).length === 40)
    expect(ended(world)).toEqual({ delivered: 40 })
    const burnt = world.told('attempted').filter(({ attempts, outcome }) => {
      return outcome.kind !== 'delivered' && attempts > 0
    })
    expect(burnt).toEqual([])
  })
}

test('a host that was found by MX and says that it does not relay bounces the mail', async () => {
  await using world = await startWorld()
  await world.mx({ RCPT: '554 5.7.1 Relay access denied' }, 'far.example')
  await world.send({ to: ['bo@far.example'] })
  await world.until(() => theirs(world).length === 1)
  expect(ended(world)).toEqual({ bounced: 1 })
  expect(world.told('suspended')).toEqual([])
})

/** Answers the dot by who is written to. */
function dotBy(answer: (to: string) => string) {
  const last = new Map<number, string>()
  return {
    RCPT: (line: string, { number }: Session): Answer => {
      last.set(number, line)
      return '250 ok'
    },
    dot: (_: string, { number }: Session): Answer => answer(last.get(number)!),
  }
}

test('a filter that refuses one infected message has the others go on', async () => {
  await using world = await startWorld()
  const infected = '554 5.7.0 Reject, id=1 - INFECTED: Eicar'
  const mx = await world.mx(
    dotBy((to) => (to.includes('ill@') ? infected : '250 taken')),
    'hop.example',
  )
  await nameHop(world, mx)
  await world.send({ to: ['ill@far.example'] })
  for (let n = 0; n < 10; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => theirs(world).length === 11)
  expect(ended(world)).toEqual({ bounced: 1, delivered: 10 })
  expect(world.told('suspended')).toEqual([])
})

const BLOCKED = '554 5.7.1 Your account is blocked'

test('words of an account after the dot are the message’s when others go through', async () => {
  await using world = await startWorld()
  const mx = await world.mx(
    dotBy((to) => (to.includes('ill@') ? BLOCKED : '250 taken')),
    'hop.example',
  )
  await nameHop(world, mx)
  await world.send({ from: 'eve@near.example', to: ['ill@far.example'] })
  await world.until(() => world.told('attempted').length === 1)
  expect(world.told('attempted')[0]).toMatchObject({ attempts: 0 })
  await world.send({ from: 'ana@near.example', to: ['bo@far.example'] })
  await world.until(() => theirs(world).length === 1)
  world.pass(60 * SECOND)
  await world.until(() => theirs(world).length === 2)
  expect(ended(world)).toEqual({ delivered: 1, bounced: 1 })
  expect(world.told('suspended')).toEqual([])
})

test('words of an account after the dot are of us when another sender meets them too', async () => {
  await using world = await startWorld()
  const mx = await world.mx({ dot: BLOCKED }, 'hop.example')
  await nameHop(world, mx)
  await world.send({ from: 'eve@near.example', to: ['a@far.example'] })
  await world.until(() => world.told('attempted').length === 1)
  await world.send({ from: 'ana@near.example', to: ['b@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  // Asked on a connection that nobody used before.
  expect(mx.sessions).toBe(2)
  for (let n = 0; n < 5; n++) await world.send({ to: [`u${n}@far.example`] })
  mx.change({ dot: '250 taken' })
  world.pass(33 * SECOND)
  await world.until(() => theirs(world).length === 5)
  world.pass(60 * SECOND)
  await world.until(() => theirs(world).length === 7)
  expect(ended(world)).toEqual({ delivered: 7 })
})

test('a recipient that a hop does not relay for bounces, and the others go on', async () => {
  await using world = await startWorld()
  const RCPT = (line: string): Answer =>
    line.includes('@other.example') ? '550 5.7.1 Relaying denied' : '250 ok'
  const mx = await world.mx({ RCPT }, 'hop.example')
  await nameHop(world, mx)
  await world.send({ to: ['bo@other.example'] })
  await world.until(() => world.told('suspended').length === 1)
  for (let n = 0; n < 5; n++) await world.send({ to: [`u${n}@far.example`] })
  world.pass(33 * SECOND)
  await world.until(() => theirs(world).length === 5)
  world.pass(20 * SECOND)
  await world.until(() => theirs(world).length === 6)
  expect(ended(world)).toEqual({ delivered: 5, bounced: 1 })
  expect(world.told('suspended')).toHaveLength(1)
})

test('of two recipients the one that is not relayed for bounces at once', async () => {
  await using world = await startWorld()
  const RCPT = (line: string): Answer =>
    line.includes('@other.example') ? '550 5.7.1 Relaying denied' : '250 ok'
  const mx = await world.mx({ RCPT }, 'hop.example')
  await nameHop(world, mx)
  await world.send({ to: ['bo@other.example', 'bo@far.example'] })
  await world.until(() => theirs(world).length === 2)
  expect(ended(world)).toEqual({ delivered: 1, bounced: 1 })
  expect(world.told('suspended')).toEqual([])
})

test('a 530 in clear, where STARTTLS was refused, is trouble of TLS', async () => {
  await using world = await startWorld()
  const offers = ['PIPELINING', 'STARTTLS']
  const mx = await world.mx(
    {
      offers,
      STARTTLS: '454 4.7.0 TLS not available due to temporary reason',
      MAIL: '530 5.7.0 Must issue a STARTTLS command first',
    },
    'far.example',
  )
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  expect(world.told('suspended')[0]).toMatchObject({ cause: 'tls' })
  await world.until(() => world.told('attempted').length === 1)
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 0 })
  mx.change({ MAIL: '250 ok' })
  world.pass(15 * SECOND)
  await world.until(() => theirs(world).length === 1)
  expect(ended(world)).toEqual({ delivered: 1 })
})

test('one wrong password holds back nobody else who goes to the same host', async () => {
  await using world = await startWorld()
  const refuse = (line: string): Answer => {
    const words = Buffer.from(line.split(' ').at(-1)!, 'base64').toString()
    return words.includes('first') ? '535 5.7.8 Wrong' : '235 2.7.0 in'
  }
  const mx = await world.mx({ offers: ['AUTH PLAIN'], AUTH: refuse }, 'hop.example')
  const waived = 'tls: none, password-without-verification: true, password-env: PW'
  const via = (user: string): string =>
    `{ host: ${mx.address}, port: ${mx.port}, user: ${user}, ${waived} }`
  await world.setFiles(
    {
      'policies/routing.yaml':
        `- { from: [one.example], via: ${via('first')} }\n` +
        `- { from: [two.example], via: ${via('second')} }\n`,
    },
    { PW: 'secret' },
  )
  const bad = await world.send({ from: 'a@one.example', to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  expect(world.told('suspended')[0]).toMatchObject({ cause: 'login' })
  for (let n = 0; n < 5; n++) await world.send({ from: 'a@two.example', to: [`u${n}@far.example`] })
  await world.until(() => theirs(world).length === 5)
  expect(await world.entry(bad)).toMatchObject({ state: 'waiting', attempts: 0 })
})
