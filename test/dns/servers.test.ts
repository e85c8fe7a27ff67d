// The name servers that an operator names: what WAYPOST_DNS may be, for the settings and the resolver alike.

import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { readServers } from '../../src/dns/servers.ts'
import { readSettings } from '../../src/settings/settings.ts'

const GOOD: [text: string, servers: [host: string, port: number][]][] = [
  ['127.0.0.1:5353', [['127.0.0.1', 5353]]],
  ['192.0.2.1', [['192.0.2.1', 53]]],
  ['[::1]:53', [['::1', 53]]],
  ['[2001:db8::5]', [['2001:db8::5', 53]]],
  ['2001:db8::5', [['2001:db8::5', 53]]],
  ['::1', [['::1', 53]]],
  ['fe80::1%lo', [['fe80::1%lo', 53]]],
  ['dns.internal.test:53', [['dns.internal.test', 53]]],
  ['unbound', [['unbound', 53]]],
  [
    '192.0.2.1, [::1]:5353',
    [
      ['192.0.2.1', 53],
      ['::1', 5353],
    ],
  ],
]
for (const [text, servers] of GOOD) {
  test(`${text} is read alike by the settings and the resolver`, () => {
    expect(readServers(text)).toEqual(servers.map(([host, port]) => ({ host, port })))
    expect(readSettings({ WAYPOST_DNS: text }).delivery.dns).toBe(text)
    expect(() => createResolver({ clock: systemClock, server: text })).not.toThrow()
  })
}

const WRONG = [
  '127.0.0.1:0',
  '127.0.0.1:99999',
  'x:99999',
  'a b',
  '[::1',
  '::1::',
  'a:b:c',
  '[far]:53',
  '[192.0.2.1]:53',
  '192.0.2.256',
  '192.0.2',
  '10.1:53',
  'udp://192.0.2.1',
  'dns/resolver',
  '-x.test',
  '192.0.2.1,',
  ',',
]
for (const text of WRONG) {
  test(`"${text}" is no name server, for the settings and the resolver alike`, () => {
    const says = /is no name server, write its address and port: 127\.0\.0\.1:53/
    expect(() => readSettings({ WAYPOST_DNS: text })).toThrow(says)
    expect(() => createResolver({ clock: systemClock, server: text })).toThrow(says)
  })
}
