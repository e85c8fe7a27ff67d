// The resolver against a name server that lies, is silent, cuts short and goes in circles.

import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Clock } from '../../src/base/clock.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { startDns } from '../peers/dns.ts'
import type { Fault } from '../peers/dns.ts'

const PATIENCE = 60

function resolverOf(server: string, clock: Clock = systemClock) {
  return createResolver({ server, clock, patience: PATIENCE })
}

test('records come with their time and the name where they stand', async () => {
  await using dns = await startDns({
    'far.example': { MX: ['10 MX1.far.example', '5 mx2.far.example'], ttl: 77, authentic: true },
  })
  const answer = await resolverOf(dns.server).query('MX', 'Far.Example.')
  expect(answer).toMatchObject({ kind: 'records', name: 'far.example', ttl: 77, authentic: true })
  expect(answer.kind === 'records' && answer.records).toEqual([
    { preference: 10, exchange: 'mx1.far.example' },
    { preference: 5, exchange: 'mx2.far.example' },
  ])
})

test('the strings of a TXT record are one text', async () => {
  await using dns = await startDns({ 'k._domainkey.far.example': { TXT: ['v=DKIM1; p=abc'] } })
  const answer = await resolverOf(dns.server).query('TXT', 'k._domainkey.far.example')
  expect(answer).toMatchObject({ kind: 'records', records: ['v=DKIM1; p=abc'] })
})

test('a name that does not exist is told apart from one without such records', async () => {
  await using dns = await startDns({ 'far.example': { A: ['192.0.2.1'] } })
  const resolver = resolverOf(dns.server)
  expect(await resolver.query('MX', 'none.example')).toMatchObject({ kind: 'no name', ttl: 60 })
  expect(await resolver.query('MX', 'far.example')).toMatchObject({ kind: 'no data', ttl: 60 })
})

test.for<Fault>(['servfail', 'refused', 'silent', 'garbage', 'alien'])(
  'a server that answers %s is trouble, in bounded time, and asked anew the next time',
  async (fault) => {
    await using dns = await startDns({ 'far.example': fault })
    const resolver = resolverOf(dns.server)
    expect(await resolver.query('A', 'far.example')).toMatchObject({ kind: 'trouble' })
    dns.set({ 'far.example': { A: ['192.0.2.1'] } })
    expect(await resolver.query('A', 'far.example')).toMatchObject({ records: ['192.0.2.1'] })
  },
)

test('a server that nobody listens at is trouble', async () => {
  const answer = await resolverOf('127.0.0.1:1').query('A', 'far.example')
  expect(answer).toMatchObject({ kind: 'trouble', reason: '127.0.0.1: ECONNREFUSED' })
})

test('the second server is asked when the first is ill', async () => {
  await using ill = await startDns({ 'far.example': 'servfail' })
  await using well = await startDns({ 'far.example': { A: ['192.0.2.1'] } })
  const answer = await resolverOf(`${ill.server},${well.server}`).query('A', 'far.example')
  expect(answer).toMatchObject({ kind: 'records', records: ['192.0.2.1'] })
})

test('an answer that is cut short is asked for over TCP', async () => {
  await using dns = await startDns({ 'far.example': { MX: ['1 mx.far.example'], long: true } })
  expect(await resolverOf(dns.server).query('MX', 'far.example')).toMatchObject({ kind: 'records' })
  expect(dns.asked).toEqual(['far.example MX udp', 'far.example MX tcp'])
})

test('the same question at the same time, and within its time to live, is asked once', async () => {
  await using dns = await startDns({ 'far.example': { A: ['192.0.2.1'], ttl: 30 } })
  let now = 0
  const resolver = resolverOf(dns.server, { ...systemClock, now: () => now })
  await Promise.all([resolver.query('A', 'far.example'), resolver.query('A', 'FAR.example')])
  now = 29_999
  await resolver.query('A', 'far.example')
  expect(dns.asked).toHaveLength(1)
  now = 30_001
  await resolver.query('A', 'far.example')
  expect(dns.asked).toHaveLength(2)
})

test('what is not there is remembered for the time that the zone says', async () => {
  await using dns = await startDns({})
  let now = 0
  const resolver = resolverOf(dns.server, { ...systemClock, now: () => now })
  await resolver.query('A', 'none.example')
  now = 59_000
  await resolver.query('A', 'none.example')
  expect(dns.asked).toHaveLength(1)
  now = 61_000
  await resolver.query('A', 'none.example')
  expect(dns.asked).toHaveLength(2)
})

test('aliases are followed, and a circle of them ends as trouble', async () => {
  await using dns = await startDns({
    'www.example': { CNAME: 'web.example', ttl: 20 },
    'web.example': { A: ['192.0.2.7'] },
    'a.example': { CNAME: 'b.example' },
    'b.example': { CNAME: 'a.example' },
  })
  const resolver = resolverOf(dns.server)
  expect(await resolver.query('A', 'www.example')).toMatchObject({
    records: ['192.0.2.7'],
    name: 'web.example',
    ttl: 20,
  })
  expect(await resolver.query('A', 'a.example')).toMatchObject({ kind: 'trouble' })
})

test.for(['', 'a..example', `${'x'.repeat(64)}.example`, 'x.'.repeat(140)])(
  'a name that cannot be is not asked: "%s"',
  async (name) => {
    await using dns = await startDns({})
    expect(await resolverOf(dns.server).query('A', name)).toMatchObject({ kind: 'no name' })
    expect(dns.asked).toEqual([])
  },
)
