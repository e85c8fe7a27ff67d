// Networks as operators write them, and who is inside.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isIP } from 'node:net'
import {
  ipVersion,
  matchNetworks,
  networkOf,
  parseNetwork,
  reached,
  unmap,
} from '../../src/base/network.ts'
import { runs } from '../peers/chance.ts'

const cases: [network: string, address: string, inside: boolean][] = [
  ['127.0.0.0/8', '127.1.2.3', true],
  ['127.0.0.0/8', '128.0.0.1', false],
  ['127.0.0.0/8', '::ffff:127.0.0.1', true],
  ['127.0.0.0/8', '::ffff:7f00:1', true],
  ['10.0.0.0/8', '64:ff9b::10.1.2.3', false],
  ['10.0.0.0/8', '64:ff9b::a01:203', false],
  ['64:ff9b::/96', '64:ff9b::a01:203', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['::1/128', '::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['::/0', 'not an address', false],
]
for (const [network, address, inside] of cases) {
  test(`${address} is ${inside ? '' : 'not '}in ${network}`, () => {
    expect(matchNetworks([parseNetwork(network)!])(address)).toBe(inside)
  })
}

for (const text of ['', '10.0.0.0/33', '::/129', '10.0.0/8', '10.0.0.0/', '10.0.0.0/8/8', 'x/8']) {
  test(`"${text}" is no network`, () => {
    expect(parseNetwork(text)).toBeUndefined()
  })
}

test('an IPv4 address is found in the form in which a socket writes it', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      expect(unmap(`::ffff:${address}`)).toBe(address)
      expect(unmap(`::ffff:${groupsOf(address)}`)).toBe(address)
      expect(reached(`::ffff:${groupsOf(address)}`)).toBe(address)
    }),
  )
})

test('an address of 64:ff9b::/96 leads to an IPv4 address, and is none for who calls from it', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const call = `64:ff9b::${groupsOf(address)}`
      expect(reached(call)).toBe(address)
      expect(unmap(call)).toBe(call)
    }),
  )
})

function groupsOf(address: string): string {
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number]
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

const counted: [client: string, network: string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8:0:0:ffff::9', '2001:db8:0:0::/64'],
  ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
]
for (const [client, network] of counted)
  test(`"${client}" is counted as "${network}"`, () => {
    expect(networkOf(client)).toBe(network)
  })

test('nothing a stranger sends makes it throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.ipV6()),
      (text) => void [unmap(text), reached(text), networkOf(text)],
    ),
  )
})

test('what is an address is what Node says is one', () => {
  const near = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.ipV4().map((four) => `::ffff:${four}`),
    fc.string({ unit: fc.constantFrom(...'0123459af:.%x g\0'.split('')), maxLength: 45 }),
    fc
      .tuple(
        fc.ipV6(),
        fc.string({ unit: fc.constantFrom(...'0f:.%/]\0'.split('')), maxLength: 4 }),
      )
      .map((two) => two.join('')),
  )
  fc.assert(
    fc.property(near, (text) => {
      expect(ipVersion(text)).toBe(isIP(text))
    }),
    runs(2000),
  )
  for (const text of [
    'fe80::1%eth0',
    'fe80::1%',
    '::',
    '::1::',
    '1:2:3:4:5:6:7:8',
    ':1',
    '1:',
    '::1.2.3',
    '::01.2.3.4',
    '00001::',
    '::1\0',
  ])
    expect([text, ipVersion(text)]).toEqual([text, isIP(text)])
})
