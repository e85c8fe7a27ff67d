// Destinations are names: made from whither mail goes, and read by nobody.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDomain } from '../../src/mail/address.ts'
import { destinationOf, domainOf } from '../../src/mail/destination.ts'
import { runs } from '../peers/chance.ts'

const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6())
const port = fc.integer({ min: 1, max: 65_535 })
const user = fc.option(fc.string({ minLength: 1 }), { nil: undefined })

test('next hops have a name each, and none is that of a domain', () => {
  const hop = fc.record({ host, port, user, nth: fc.integer({ min: 1, max: 3 }) })
  const nameOf = ({ host, port, user, nth }: Hop) =>
    destinationOf({ kind: 'hop', host, port }, user, nth)
  type Hop = { host: string; port: number; user: string | undefined; nth: number }
  fc.assert(
    fc.property(hop, hop, (one, other) => {
      expect(domainOf(nameOf(one))).toBeUndefined()
      const isSame = JSON.stringify(one) === JSON.stringify(other)
      expect(nameOf(one) === nameOf(other)).toBe(isSame)
    }),
    runs(1000),
  )
})

test('destinations are written as admins see them', () => {
  const smarthost = { kind: 'hop', host: 'smarthost.example', port: 587 } as const
  expect(destinationOf(smarthost)).toBe('smarthost.example:587')
  expect(destinationOf(smarthost, 'me@near.example')).toBe(
    'smarthost.example:587/me%40near.example',
  )
  expect(destinationOf(smarthost, 'me', 2)).toBe('smarthost.example:587/me#2')
  expect(destinationOf({ ...smarthost, host: '2001:db8::1' })).toBe('[2001:db8::1]:587')
  expect(destinationOf({ kind: 'mx', domain: parseDomain('far.example')! })).toBe('far.example')
})

for (const text of ['far.example', '[192.0.2.1]', '[IPv6:2001:db8::1]']) {
  test(`the destination of ${text} by MX is that domain`, () => {
    const domain = parseDomain(text)!
    expect(domainOf(destinationOf({ kind: 'mx', domain }))).toBe(domain)
  })
}
