// Destinations are routes written as one text, and can be read back.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDomain } from '../../src/mail/address.ts'
import {
  destinationOf,
  isImplicit,
  routeOf,
  TLS_LEVELS,
  type Route,
} from '../../src/mail/destination.ts'

const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6())
const hop = fc
  .record(
    {
      kind: fc.constant('hop' as const),
      host,
      port: fc.integer({ min: 1, max: 65_535 }),
      tls: fc.constantFrom(...TLS_LEVELS),
      user: fc.string({ minLength: 1 }),
      unusual: fc.boolean(),
    },
    { requiredKeys: ['kind', 'host', 'port', 'tls', 'unusual'] },
  )
  .map(({ unusual, ...route }) => (unusual ? { ...route, implicitTls: !isImplicit(route) } : route))
const mx = host
  .map((text) => parseDomain(text) ?? parseDomain('far.example')!)
  .map((domain) => ({ kind: 'mx' as const, domain }))

test('a destination reads back as the route that it was written from', () => {
  fc.assert(
    fc.property(fc.oneof(hop, mx), (route: Route) => {
      expect(routeOf(destinationOf(route))).toEqual(route)
    }),
    { numRuns: 1000 },
  )
})

test('destinations are written as admins see them', () => {
  const smarthost = { kind: 'hop', host: 'smarthost.example', port: 587, tls: 'verified' } as const
  expect(destinationOf({ ...smarthost, user: 'me' })).toBe('smarthost.example:587/verified/me')
  expect(destinationOf({ ...smarthost, port: 2465, implicitTls: true })).toBe(
    'smarthost.example:2465/implicit-verified',
  )
  expect(destinationOf({ ...smarthost, port: 465, implicitTls: false })).toBe(
    'smarthost.example:465/starttls-verified',
  )
  expect(destinationOf({ ...smarthost, port: 465, implicitTls: true })).toBe(
    'smarthost.example:465/verified',
  )
  expect(destinationOf({ ...smarthost, host: '2001:db8::1' })).toBe('[2001:db8::1]:587/verified')
  expect(destinationOf({ kind: 'mx', domain: parseDomain('far.example')! })).toBe('far.example')
  const literal = parseDomain('[IPv6:2001:db8::1]')!
  expect(routeOf(destinationOf({ kind: 'mx', domain: literal }))).toMatchObject({ domain: literal })
})
