// From routes to hosts and addresses, with names asked of a real name server.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { REFUSED_BY_DEFAULT, readRefused } from '../../src/delivery/hosts/private-networks.ts'
import { createMx } from '../../src/delivery/hosts/mx.ts'
import type { MxOptions } from '../../src/delivery/hosts/mx.ts'
import { parseDomain } from '../../src/mail/address.ts'
import type { Route } from '../../src/mail/path.ts'
import { startDns } from '../peers/dns.ts'
import type { Dns } from '../peers/dns.ts'
import { record, startRawDns } from '../peers/raw-dns.ts'
import { outcomeOf } from './judged.ts'

let dns: Dns
beforeAll(async () => {
  dns = await startDns({
    'far.example': { MX: ['20 mx2.far.example', '10 mx1.far.example', '20 mx3.far.example'] },
    'mx1.far.example': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
    'mx2.far.example': { A: ['192.0.2.2', '192.0.2.22'] },
    'mx3.far.example': { A: ['192.0.2.3'] },
    'implicit.example': { A: ['192.0.2.4'] },
    'six.example': { AAAA: ['2001:db8::6'] },
    'null.example': { MX: ['0 .'] },
    'null-twice.example': { MX: ['0 .', '0 .'] },
    'preferred-null.example': { MX: ['10 .'] },
    'half-null.example': { MX: ['0 .', '10 mx1.far.example'] },
    'bare.example': { TXT: ['nothing here'] },
    'gone.example': { MX: ['10 a.gone.example', '20 b.gone.example'] },
    'half-gone.example': { MX: ['10 a.gone.example', '20 mx1.far.example'] },
    'ill.example': 'servfail',
    'ill-mx.example': { MX: 'servfail', A: ['192.0.2.5'] },
    'half-ill.example': { MX: ['10 ill.example', '20 mx1.far.example'] },
    'alias.example': { CNAME: 'far.example' },
    'own.example': { MX: ['10 near.example', '20 mx1.far.example'] },
    'own-backup.example': { MX: ['10 mx1.far.example', '20 near.example', '30 mx2.far.example'] },
    'own-equal.example': { MX: ['10 mx1.far.example', '10 near.example'] },
    'own-address.example': { MX: ['5 mx1.far.example', '10 sly.example', '20 mx2.far.example'] },
    'near.example': { A: ['203.0.113.1'] },
    'sly.example': { A: ['203.0.113.1'] },
    'inside.example': { MX: ['10 intranet.example'] },
    'intranet.example': { A: ['10.1.2.3'], AAAA: ['::ffff:127.0.0.1'] },
    'half-inside.example': { MX: ['10 mixed.example'] },
    'mixed.example': { A: ['127.0.0.1', '192.0.2.8'] },
    'no-host.example': { MX: ['10 mx one.example', '20 b\u00fccher.example'] },
    'own-last.example': {
      MX: [
        ...Array.from({ length: 30 }, (_, n) => `${n < 5 ? 5 : 10} mx${n}.very-long-name.example`),
        '10 near.example',
      ],
    },
    'bücher.example': { MX: ['10 MX.xn--bcher-kva.example'] },
    'xn--bcher-kva.example': { MX: ['10 MX.xn--BCHER-kva.example', '20 xn--nh-via.example'] },
    'mx.xn--bcher-kva.example': { A: ['192.0.2.10'] },
    'xn--nh-via.example': { A: ['192.0.2.11'] },
    'fat.example': { MX: Array.from({ length: 9 }, (_, n) => `${n} fat${n}.example`), long: true },
    ...Object.fromEntries(
      Array.from({ length: 9 }, (_, n) => [
        `fat${n}.example`,
        { A: Array.from({ length: 400 }, (_, m) => `10.${n}.${m >> 8}.${m & 255}`), long: true },
      ]),
    ),
    'number.example': { MX: ['10 192.0.2.1'] },
    'many.example': {
      MX: Array.from({ length: 30 }, (_, n) => `${n} mx${n}.very-long-name.example`),
    },
    ...Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [`mx${n}.very-long-name.example`, { A: ['192.0.2.1'] }]),
    ),
  })
})
afterAll(() => dns[Symbol.asyncDispose]())

function mxWith(options: Partial<MxOptions> = {}) {
  return createMx({
    resolver: createResolver({ server: dns.server, clock: systemClock, patience: 100 }),
    ownNames: ['Near.example'],
    ownAddresses: ['203.0.113.1'],
    refuse: readRefused(REFUSED_BY_DEFAULT),
    chance: () => 0,
    ...options,
  })
}

function by(domain: string): Route {
  return { kind: 'mx', domain: parseDomain(domain)! }
}

const hop: Route = { kind: 'hop', host: 'intranet.example', port: 2525 }

test('hosts come in order of preference, and the site is the set of them', async () => {
  const resolved = await mxWith().resolve(by('far.example'))
  expect(resolved).toMatchObject({
    kind: 'hosts',
    site: 'mx1.far.example,mx2.far.example,mx3.far.example',
  })
  const names = resolved.kind === 'hosts' ? resolved.hosts.map(({ name }) => name) : []
  expect(names[0]).toBe('mx1.far.example')
  expect(names.slice(1).sort()).toEqual(['mx2.far.example', 'mx3.far.example'])
})

test('hosts of equal preference change places', async () => {
  const second = async (chance: number): Promise<string | undefined> => {
    const resolved = await mxWith({ chance: () => chance }).resolve(by('far.example'))
    return resolved.kind === 'hosts' ? resolved.hosts[1]?.name : undefined
  }
  expect(await second(0)).not.toBe(await second(0.99))
})

const LED: [domain: string, hosts: string[]][] = [
  ['implicit.example', ['implicit.example']],
  ['six.example', ['six.example']],
  ['half-null.example', ['mx1.far.example']],
  ['half-gone.example', ['mx1.far.example']],
  ['bücher.example', ['mx.xn--bcher-kva.example', 'xn--nh-via.example']],
  ['XN--BCHER-kva.example', ['mx.xn--bcher-kva.example', 'xn--nh-via.example']],
  ['own-last.example', [0, 1, 2, 3, 4].map((n) => `mx${n}.very-long-name.example`)],
  ['half-ill.example', ['ill.example', 'mx1.far.example']],
  ['own-backup.example', ['mx1.far.example']],
  ['own-address.example', ['mx1.far.example']],
  ['half-inside.example', ['mixed.example']],
  // No host name, and against RFC 5321 5.1; but it is plain where the mail should go.
  ['number.example', ['192.0.2.1']],
  ['[192.0.2.9]', ['192.0.2.9']],
  ['[IPv6:2001:db8::9]', ['2001:db8::9']],
]
for (const [domain, hosts] of LED) {
  test(`mail for ${domain} goes to ${hosts.join(', then ')}`, async () => {
    const resolved = await mxWith().resolve(by(domain))
    const names = resolved.kind === 'hosts' ? resolved.hosts.map(({ name }) => name) : []
    expect(names.sort()).toEqual([...hosts].sort())
  })
}

const LOST: [domain: string, kind: string, code: number, status: string][] = [
  ['nobody.example', 'refused', 550, '5.1.2'],
  ['bare.example', 'refused', 550, '5.1.2'],
  ['null.example', 'refused', 556, '5.1.10'],
  ['null-twice.example', 'refused', 556, '5.1.10'],
  ['preferred-null.example', 'deferred', 451, '4.4.3'],
  ['no-host.example', 'refused', 550, '5.4.4'],
  ['gone.example', 'refused', 550, '5.4.4'],
  ['own.example', 'refused', 554, '5.4.6'],
  ['own-equal.example', 'refused', 554, '5.4.6'],
  ['inside.example', 'refused', 550, '5.4.4'],
  ['[127.0.0.1]', 'refused', 550, '5.4.4'],
  ['[IPv6:::1]', 'refused', 550, '5.4.4'],
  ['ill.example', 'deferred', 451, '4.4.3'],
  ['ill-mx.example', 'deferred', 451, '4.4.3'],
]
for (const [domain, kind, code, status] of LOST) {
  test(`mail for ${domain} is ${kind} with ${code} ${status}`, async () => {
    const resolved = await mxWith().resolve(by(domain))
    expect(resolved.kind).toBe('failed')
    if (resolved.kind === 'failed')
      expect(outcomeOf(resolved)).toMatchObject({ kind, reply: { code, status } })
  })
}

test('a bounce for mail that leads inside names the host and the address', async () => {
  const resolved = await mxWith().resolve(by('inside.example'))
  const text = resolved.kind === 'failed' ? outcomeOf(resolved).reply.text : ''
  expect(text).toContain('intranet.example [10.1.2.3, ::ffff:7f00:1]')
})

test('however many hosts and addresses lead inside, a bounce names a few and counts the others', async () => {
  const resolver = createResolver({ server: dns.server, clock: systemClock, patience: 5000 })
  const mx = mxWith({ resolver })
  const resolved = await mx.resolve(by('fat.example'))
  const text = resolved.kind === 'failed' ? outcomeOf(resolved).reply.text : ''
  expect(text).toMatch(/fat0\.example \[(10\.[\d.]+, ){4}10\.[\d.]+ and 395 more\], fat1\.example/)
  expect(text).toMatch(/ and 4 more$/)
  expect(text.length).toBeLessThan(1000)
  const host = { name: 'fat0.example', preference: 0 }
  const addresses = await mx.addresses(host, by('fat.example'))
  const reason = addresses.kind === 'failed' ? outcomeOf(addresses).reply.text : ''
  expect(reason).toMatch(/call: (10\.[\d.]+, ){4}10\.[\d.]+ and 395 more$/)
})

test('we are found by our own name written in another script', async () => {
  const resolved = await mxWith({ ownNames: ['näh.example'] }).resolve(by('bücher.example'))
  const names = resolved.kind === 'hosts' ? resolved.hosts.map(({ name }) => name) : []
  expect(names).toEqual(['mx.xn--bcher-kva.example'])
})

const four = Buffer.of(0, 0)
const BROKEN: [what: string, type: number, data: Buffer][] = [
  ['an address that is cut short', 1, four],
  ['an IPv6 address that is cut short', 28, four],
  ['an MX without a name', 15, four],
]
for (const [what, broken, data] of BROKEN) {
  test(`${what} is trouble of the look-up, and no mail bounces`, async () => {
    await using raw = await startRawDns((type) => ({
      answers: type === broken ? [record(type, data)] : [],
    }))
    const resolver = createResolver({ server: raw.server, clock: systemClock, patience: 100 })
    const mx = mxWith({ resolver })
    const resolved = await mx.resolve(by('far.example'))
    const route = by('far.example')
    // Without MX the domain is the host; whether it has addresses is not known.
    const found =
      resolved.kind === 'hosts' ? await mx.addresses(resolved.hosts[0]!, route) : resolved
    if (found.kind !== 'failed') throw new Error('It leads somewhere')
    expect(outcomeOf(found)).toMatchObject({ kind: 'deferred', reply: { status: '4.4.3' } })
  })
}

test.for(['', '10.0.undefined.undefined', 'far.example', '1.2.3', '192.0.2.1 '])(
  'what is no address is never called: "%s"',
  (text) => {
    expect(readRefused(REFUSED_BY_DEFAULT)(text)).toBe(true)
    expect(readRefused('none')(text)).toBe(true)
  },
)

test('only the addresses that may be called are given', async () => {
  const host = { name: 'mixed.example', preference: 10 }
  expect(await mxWith().addresses(host, by('half-inside.example'))).toEqual({
    kind: 'addresses',
    addresses: ['192.0.2.8'],
  })
})

test('an operator can allow every address', async () => {
  const resolved = await mxWith({ refuse: readRefused('none') }).resolve(by('inside.example'))
  expect(resolved.kind).toBe('hosts')
})

test('a named next hop leads wherever it says', async () => {
  const mx = mxWith()
  const resolved = await mx.resolve(hop)
  expect(resolved).toEqual({
    kind: 'hosts',
    site: 'intranet.example:2525',
    hosts: [{ name: 'intranet.example', preference: 0 }],
  })
  const addresses = await mx.addresses({ name: 'intranet.example', preference: 0 }, hop)
  expect(addresses).toEqual({ kind: 'addresses', addresses: ['10.1.2.3', '::ffff:7f00:1'] })
})

test('a next hop whose name is gone is waited for, not bounced', async () => {
  const addresses = await mxWith().addresses({ name: 'gone.example.test', preference: 0 }, hop)
  if (addresses.kind !== 'failed') throw new Error('It has addresses')
  expect(outcomeOf(addresses)).toMatchObject({ kind: 'deferred', scope: 'site' })
})

test('a next hop that name servers do not know, or are ill about, is found as the system finds it', async () => {
  const asked: string[] = []
  const mx = mxWith({
    system: async (name) => {
      asked.push(name)
      return ['10.0.0.7']
    },
  })
  for (const name of ['short', 'ill.example']) {
    const found = await mx.addresses({ name, preference: 0 }, { ...hop, host: name })
    expect(found).toEqual({ kind: 'addresses', addresses: ['10.0.0.7'] })
  }
  // What name servers know is theirs to say, and hosts of strangers are never the system's.
  await mx.addresses({ name: 'intranet.example', preference: 0 }, hop)
  await mx.addresses({ name: 'gone.example', preference: 0 }, by('far.example'))
  expect(asked).toEqual(['short', 'ill.example'])
})

test('an alias of a domain belongs to the same site', async () => {
  const mx = mxWith()
  const [one, other] = [await mx.resolve(by('alias.example')), await mx.resolve(by('far.example'))]
  expect(one.kind === 'hosts' && one.site).toBe(other.kind === 'hosts' && other.site)
})

test('a list of hosts without measure is cut, and the name of its site with it', async () => {
  const resolved = await mxWith().resolve(by('many.example'))
  if (resolved.kind !== 'hosts') throw new Error('expected hosts')
  expect(resolved.hosts).toHaveLength(20)
  expect(resolved.site.length).toBeLessThanOrEqual(200)
})

test('IPv4 comes before IPv6', async () => {
  const found = await mxWith().addresses(
    { name: 'mx1.far.example', preference: 10 },
    by('far.example'),
  )
  expect(found).toEqual({ kind: 'addresses', addresses: ['192.0.2.1', '2001:db8::1'] })
})

test.for([
  '10.0.0.5',
  '::ffff:10.0.0.5',
  '64:ff9b::a00:5',
  'fe80::1%eth0',
  'fd00::1',
  '0.0.0.0',
  '::',
  '224.0.0.1',
])('%s is an address that mail of strangers must not lead to', (address) => {
  expect(readRefused(REFUSED_BY_DEFAULT)(address)).toBe(true)
})

test('a network that cannot be read is named', () => {
  expect(() => readRefused('10.0.0.0/8,nonsense')).toThrow('Cannot read network "nonsense"')
})
