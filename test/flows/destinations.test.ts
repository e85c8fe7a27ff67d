// Where mail goes: from a domain to hosts and addresses, as RFC 5321 5.1 has it, and what becomes
// of mail when routing changes its mind while it waits.

import { expect, test } from 'vitest'
import { REFUSED_BY_DEFAULT } from '../../src/delivery/hosts/private-networks.ts'
import type { Zone } from '../peers/dns.ts'
import { drop, startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'

test('our own name among the MX hosts drops it and all that are not better', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using after = await startMx({}, MX_PLACE)
  const records = [
    '10 first.example',
    '20 relay.near.example',
    '20 equal.example',
    '30 last.example',
  ]
  await using relay = await startRelay({
    zone: {
      'far.example': { MX: records },
      'first.example': { A: [mx.address] },
      'equal.example': { A: [after.address] },
      'last.example': { A: [after.address] },
    },
  })
  const id = await relay.send({ to: 'bo@far.example' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })

  mx.change({ greeting: '421 4.3.2 Closed' })
  mx.cut()
  await relay.send({ to: 'cy@far.example' })
  // What is refused right after the end of a connection is asked for again, twice.
  await expect
    .poll(() => {
      relay.clock.pass(100)
      return relay.events.some(({ kind }) => kind === 'suspended')
    })
    .toBe(true)
  expect(after.sessions).toBe(0)
})

test('mail whose best host we are leads back to us, and bounces with 5.4.6', async () => {
  const records = ['10 relay.near.example', '20 other.example']
  await using relay = await startRelay({ zone: { 'far.example': { MX: records } } })
  const id = await relay.send({ from: '<>', to: 'bo@far.example' })
  const { outcome } = await relay.until('attempted', id)
  expect(outcome).toMatchObject({ kind: 'refused', stage: 'dns', reply: { status: '5.4.6' } })
})

test('an MX host without any address bounces with 5.4.4', async () => {
  await using relay = await startRelay({ zone: { 'far.example': { MX: ['10 gone.example'] } } })
  const id = await relay.send({ from: '<>', to: 'bo@far.example' })
  expect((await relay.until('attempted', id)).outcome.reply.status).toBe('5.4.4')
})

test('a host that has only an IPv6 address is reached', async () => {
  await using mx = await startMx({}, { ...MX_PLACE, address: '::1' })
  const zone = { 'far.example': { MX: ['10 six.example'] }, 'six.example': { AAAA: ['::1'] } }
  await using relay = await startRelay({ zone })
  const id = await relay.send({ to: 'bo@far.example' })
  const { outcome, attempt } = await relay.until('attempted', id)
  expect(outcome.kind).toBe('delivered')
  expect(attempt).toMatchObject({ host: 'six.example', address: '::1' })
  expect(mx.taken).toHaveLength(1)
})

test('a host with IPv4 and IPv6 is reached by the one that answers', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const both = { A: [mx.address], AAAA: ['fe80::1'] }
  const zone = { 'far.example': { MX: ['10 both.example'] }, 'both.example': both }
  await using relay = await startRelay({ zone })
  const id = await relay.send({ to: 'bo@far.example' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

test('an address literal is called as it is, without DNS', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay()
  const id = await relay.send({ to: `bo@[${mx.address}]` })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  expect(mx.taken[0]!.to).toEqual([`bo@[${mx.address}]`])
  expect(relay.dns.asked).toEqual([])
})

test('a domain without MX is its own host, also behind a CNAME', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const zone = {
    'bare.example': { A: [mx.address] },
    'alias.example': { CNAME: 'real.example' },
    'real.example': { MX: ['10 named.example'] },
    'named.example': { CNAME: 'host.example' },
    'host.example': { A: [mx.address] },
  }
  await using relay = await startRelay({ zone })
  for (const domain of ['bare.example', 'alias.example']) {
    const id = await relay.send({ to: `bo@${domain}` })
    expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
    // The address is told as the sender wrote it.
    expect(mx.taken.at(-1)!.to).toEqual([`bo@${domain}`])
  }
})

test('hosts of equal preference share the mail, and the better ones come first', async () => {
  await using one = await startMx({}, MX_PLACE)
  await using two = await startMx({}, MX_PLACE)
  await using spare = await startMx({}, MX_PLACE)
  const zone = {
    'far.example': { MX: ['10 one.example', '10 two.example', '20 spare.example'] },
    'one.example': { A: [one.address] },
    'two.example': { A: [two.address] },
    'spare.example': { A: [spare.address] },
  }
  let turn = 0
  const chance = (): number => (turn = (turn + 0.618) % 1)
  await using relay = await startRelay({ zone, chance })
  // They all become due at once, so that one look-up serves all connections.
  const { queue } = relay.real
  await queue.hold({ kind: 'all' }, { who: 'olga', why: 'a trial' })
  await relay.sendAll(Array.from({ length: 20 }, (_, n) => ({ to: `n${n}@far.example` })))
  await queue.unhold({ kind: 'all' }, { who: 'olga', why: 'a trial' })
  await relay.holds(() => relay.events.filter(({ kind }) => kind === 'ended').length === 20)
  expect(one.taken.length + two.taken.length).toBe(20)
  expect(one.taken.length).toBeGreaterThan(0)
  expect(two.taken.length).toBeGreaterThan(0)
  expect(spare.sessions).toBe(0)
})

test('mail follows routing that changes while it waits, in one recorded step', async () => {
  await using mx = await startMx({ RCPT: '450 4.2.0 Later' }, MX_PLACE)
  await using hub = await startMx({})
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: ['bo@far.example', 'cy@far.example'] })
  await relay.until('attempted', id)
  const hop = `{ host: 127.0.0.1, port: ${hub.port}, tls: none }`
  await relay.setFiles({
    'policies/routing.yaml': `- { to: ['*'], via: ${hop}, queue: default }\n`,
  })
  relay.pass('2m')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  await relay.until('ended', id)
  expect(hub.taken.map(({ to }) => to)).toEqual([['bo@far.example', 'cy@far.example']])

  const trace = (await relay.real.queue.trace(id))!
  const moves = trace.facts.filter((fact) => fact.kind === 'settled' && fact.moveTo !== undefined)
  expect(moves).toMatchObject([
    { moveTo: { destination: `127.0.0.1:${hub.port}`, rule: 'routing.yaml:1' } },
  ])
  for (const entry of trace.entries)
    expect(entry).toMatchObject({ attempts: 2, destination: `127.0.0.1:${hub.port}` })
})

test('a queue whose file is gone uses default, and the trace says so', async () => {
  await using mx = await startMx(
    { RCPT: ['450 4.2.0 Later', '450 4.2.0 Later', '250 ok'] },
    MX_PLACE,
  )
  const files = {
    'policies/routing.yaml': "- { to: ['*'], via: mx, queue: slow }\n",
    'queues/slow.yaml': 'retry: [3h]\ngive-up-after: 5d\n',
  }
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, files })
  const id = await relay.send({ to: 'bo@far.example' })
  const first = await relay.until('attempted', id)
  expect(first.next! - relay.clock.now()).toBe(3 * 3_600_000)
  await relay.setFiles({
    'policies/routing.yaml': "- { to: ['*'], via: mx, queue: default }\n",
    'queues/slow.yaml': undefined,
  })
  relay.pass('3h')
  const second = await relay.until('attempted', id)
  expect(second.next! - relay.clock.now()).toBe(5 * 60_000)
  expect(second).toMatchObject({ queue: 'slow' })
  expect(second.attempt.notes?.join()).toContain('The queue "slow" has no file: default is used')
  relay.pass('5m')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

test('no name and no literal leads to where this relay must not call', async () => {
  await using mx = await startMx({}, { ...MX_PLACE, address: '127.0.0.1' })
  const zone: Zone = {}
  const addresses = [
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '169.254.169.254',
    '192.168.1.1',
    '224.0.0.1',
  ]
  const six = ['::1', '::', 'fe80::1', 'fd00::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', 'ff02::1']
  const domains: string[] = []
  for (const [n, address] of [...addresses, ...six].entries()) {
    const host = address.includes(':') ? { AAAA: [address] } : { A: [address] }
    zone[`bare${n}.example`] = host
    zone[`host${n}.example`] = host
    zone[`mx${n}.example`] = { MX: [`10 host${n}.example`] }
    domains.push(`bare${n}.example`, `mx${n}.example`)
  }
  zone['named.example'] = { MX: ['10 localhost'] }
  domains.push('named.example', '[127.0.0.1]', '[IPv6:::1]', '[IPv6:::ffff:127.0.0.1]')
  const environment = { WAYPOST_MX_REFUSE: REFUSED_BY_DEFAULT }
  await using relay = await startRelay({ zone, environment })
  for (const domain of domains) {
    const id = await relay.send({ from: '<>', to: `bo@${domain}` })
    const { outcome } = await relay.until('attempted', id)
    expect(outcome, domain).toMatchObject({ kind: 'refused', reply: { status: '5.4.4' } })
  }
  expect(mx.sessions).toBe(0)
})

test('what may have arrived goes to the same host first, though others would do', async () => {
  await using one = await startMx({}, MX_PLACE)
  await using two = await startMx({}, MX_PLACE)
  const records = { MX: ['10 one.example', '10 two.example'] }
  const zone = {
    'far.example': records,
    'one.example': { A: [one.address] },
    'two.example': { A: [two.address] },
  }
  let turn = 0
  const chance = (): number => (turn = (turn + 0.618) % 1)
  await using relay = await startRelay({ zone, chance })
  for (let n = 0; n < 6; n++) {
    for (const mx of [one, two]) mx.change({ dot: [drop, '250 ok'] })
    const id = await relay.send({ to: `n${n}@far.example` })
    const first = await relay.until('attempted', id)
    expect(first.outcome.kind).toBe('unknown')
    for (const mx of [one, two]) mx.change({ dot: '250 ok' })
    // Another message leaves a connection open to any of the two.
    await relay.until('ended', await relay.send({ to: 'cy@far.example' }))
    relay.pass('6m')
    const second = await relay.until('attempted', id)
    expect(second).toMatchObject({ outcome: { kind: 'delivered' }, attempts: 2 })
    expect(second.attempt.address).toBe(first.attempt.address)
  }
})
