// The way to a destination is asked anew at each attempt: a change of it moves no mail, and what one rule
// asks for is kept apart from what another does.

import { expect, test } from 'vitest'
import type { AskCredentials } from '../../src/delivery/connect/credentials.ts'
import { startWorld } from './world.ts'
import type { Files, World } from './world.ts'

const SECOND = 1000

function routing(...vias: string[]): Files {
  return { 'policies/routing.yaml': vias.map((via) => `- ${via}\n`).join('') }
}

function delivered(world: World): string[] {
  return world.told('ended').flatMap(({ end, to }) => (end === 'delivered' ? [to] : []))
}

test('a changed demand for TLS moves no mail, and holds for what waits', async () => {
  await using world = await startWorld()
  const mx = await world.mx({}, 'hop.example')
  const via = (tls: string) => `via: { host: ${mx.address}, port: ${mx.port}, tls: ${tls} }`
  await world.setFiles(routing(via('required')))
  const id = await world.send({ to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  const { destination } = await world.entry(id)
  expect(world.told('suspended')[0]).toMatchObject({ cause: 'tls', lanes: [destination] })
  await world.setFiles(routing(via('none')))
  world.pass(20 * SECOND)
  await world.until(() => delivered(world).length === 1)
  const went = world.told('ended')[0]
  expect(went).toMatchObject({ destination })
  expect(destination).toBe(`${mx.address}:${mx.port}`)
})

test('a rule whose TLS a host has not holds back nobody whose rule asks for less there', async () => {
  await using world = await startWorld()
  const mx = await world.mx({}, 'hop.example')
  const via = (tls: string) => `via: { host: ${mx.address}, port: ${mx.port}, tls: ${tls} }`
  await world.setFiles(
    routing(`{ from: [strict.example], ${via('required')} }`, `{ ${via('none')} }`),
  )
  const strict = await world.send({ from: 'a@strict.example', to: ['bo@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  for (let n = 0; n < 3; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => delivered(world).length === 3)
  expect(await world.entry(strict)).toMatchObject({ state: 'waiting', attempts: 0 })
})

test('a demand that is made while a lane is at work holds for the next of its mail', async () => {
  await using world = await startWorld({
    files: { 'policies/shaping.yaml': '- { default: true, connections: 1 }\n' },
  })
  const answer = Promise.withResolvers<string>()
  const mx = await world.mx({ dot: () => answer.promise }, 'hop.example')
  const via = (tls: string) => `via: { host: ${mx.address}, port: ${mx.port}, tls: ${tls} }`
  await world.setFiles(routing(via('none')))
  for (let n = 0; n < 3; n++) await world.send({ to: [`u${n}@far.example`] })
  await mx.until(() => mx.heard.includes('DATA'))
  await world.setFiles(routing(via('required')))
  answer.resolve('250 taken')
  await world.until(() => world.told('suspended').length === 1)
  await world.quiet()
  expect(delivered(world)).toEqual(['u0@far.example'])
})

test('the mail of a next hop that no rule names any more goes where rules say now', async () => {
  await using world = await startWorld()
  await world.mx({}, 'far.example')
  await world.send({ to: ['bo@far.example'], destination: 'gone.example:587/verified/me' })
  await world.until(() => delivered(world).length === 1)
  expect(world.told('ended')[0]).toMatchObject({ destination: 'far.example' })
})

test('where no rule says where it goes it waits, and never goes by less than was asked', async () => {
  await using world = await startWorld()
  const mx = await world.mx({}, 'far.example')
  await world.setFiles(routing('{ to: [near.example], via: mx }'))
  const destination = `${mx.address}:${mx.port}/me`
  const id = await world.send({ to: ['bo@far.example'], destination })
  await world.until(() => world.told('suspended').length === 1)
  const { reason, cause } = world.told('suspended')[0]!
  expect([cause, reason]).toEqual(['other', expect.stringContaining('No rule of routing.yaml')])
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 0, destination })
  expect(mx.sessions).toBe(0)
  await world.setFiles(routing('via: mx'))
  world.pass(20 * SECOND)
  await world.until(() => delivered(world).length === 1)
})

/** One next hop that we log in to, with what a provider answers. */
async function startWithLogin(credentials: AskCredentials) {
  const world = await startWorld({ wrap: () => ({ credentials }) })
  const mx = await world.mx({ offers: ['AUTH PLAIN'] }, 'hop.example')
  const waived = 'tls: none, password-without-verification: true'
  const via = `via: { host: ${mx.address}, port: ${mx.port}, user: me, password-env: PW, ${waived} }`
  await world.setFiles(routing(via), { PW: 'unused' })
  return { world, mx }
}

test('credentials are waited for, and asked once a connection', async () => {
  const token = Promise.withResolvers<{ user: string; password: string }>()
  const asked: string[] = []
  const { world, mx } = await startWithLogin(({ user, secret }) => {
    asked.push(`${user} ${secret}`)
    return token.promise
  })
  await using _ = world
  await world.send({ to: ['a@far.example'] })
  await world.until(() => asked.length === 1)
  expect(mx.sessions).toBe(0)
  token.resolve({ user: 'me', password: 'fresh' })
  await world.until(() => delivered(world).length === 1)
  await world.send({ to: ['b@far.example'] })
  await world.until(() => delivered(world).length === 2)
  expect([asked, mx.sessions]).toEqual([['me PW'], 1])
  const word = Buffer.from('\0me\0fresh').toString('base64')
  expect(mx.heard).toContain(`AUTH PLAIN ${word}`)
})

test('credentials that cannot be had are trouble of the login: the server hears nothing, mail waits', async () => {
  let works = false
  const { world, mx } = await startWithLogin(async () => {
    if (works) return { user: 'me', password: 'fresh' }
    throw new Error('The token endpoint is away')
  })
  await using _ = world
  const id = await world.send({ to: ['a@far.example'] })
  await world.until(() => world.told('suspended').length === 1)
  expect(world.told('suspended')[0]).toMatchObject({
    cause: 'login',
    reason: expect.stringContaining('The token endpoint is away') as string,
  })
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 0 })
  expect(mx.sessions).toBe(0)
  works = true
  world.pass(60 * SECOND)
  await world.until(() => delivered(world).length === 1)
})
