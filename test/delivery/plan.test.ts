// What policy says of a delivery at each attempt.

import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { planOf, timesOf } from '../../src/delivery/decide/plan.ts'
import type { Asked } from '../../src/delivery/decide/plan.ts'
import { destinationOf } from '../../src/mail/destination.ts'
import type { Route } from '../../src/mail/path.ts'
import { parseDomain } from '../../src/mail/address.ts'
import type { Signing, SignWith } from '../../src/policy/policy.ts'
import { deliveryTo } from './deliveries.ts'

const HOUR = 3_600_000

function policy(via: (domain: string) => Route | undefined, giveUpAfter = 120 * HOUR): Asked {
  return {
    route: ({ domain }) => {
      const route = via(domain)
      if (route === undefined) return undefined
      return { destination: destinationOf(route), queue: 'default', at: 'routing.yaml:1' }
    },
    queue: (name) => ({
      name,
      priority: 10,
      retry: [60_000],
      giveUpAfter,
      warnAfter: HOUR,
      at: '',
    }),
    signing: () => undefined,
  }
}
const byMx = policy((domain) => ({ kind: 'mx', domain }) as Route)
const hop: Route = { kind: 'hop', host: 'smart.example', port: 587 }

test('those who are due and belong here are asked for', () => {
  const delivery = deliveryTo(['bo@far.example', 'cy@far.example'])
  const [bo, cy] = delivery.recipients
  const later = { ...delivery, recipients: [bo!, { ...cy!, due: 5000 }] }
  expect(planOf(later, byMx, 1000)).toMatchObject({ kind: 'send', recipients: [bo] })
})

test('a changed route moves the delivery to its new lane', () => {
  const plan = planOf(
    deliveryTo(['bo@far.example']),
    policy(() => hop),
    0,
  )
  const destination = 'smart.example:587'
  expect(plan).toEqual({ kind: 'move', destination, rule: 'routing.yaml:1' })
})

test('where no rule fits any more, what was decided at acceptance stands', () => {
  const plan = planOf(
    deliveryTo(['bo@far.example']),
    policy(() => undefined),
    0,
  )
  expect(plan.kind).toBe('send')
})

test('recipients who belong elsewhere wait for those who belong here', () => {
  const destination = destinationOf(hop)
  const delivery = deliveryTo(['bo@far.example', 'cy@other.example'], { destination })
  const split = policy((domain) =>
    domain === 'far.example' ? hop : ({ kind: 'mx', domain } as Route),
  )
  expect(planOf(delivery, split, 0)).toMatchObject({ recipients: [{ n: 0 }] })
  const rest = { ...delivery, recipients: delivery.recipients.slice(1) }
  expect(planOf(rest, split, 0)).toMatchObject({ kind: 'move', destination: 'other.example' })
})

test('a transaction has a hundred recipients at most', () => {
  const many = Array.from({ length: 150 }, (_, n) => `u${n}@far.example`)
  const plan = planOf(deliveryTo(many), byMx, 0)
  expect(plan.kind === 'send' && plan.recipients.length).toBe(100)
})

test('what has had its time is not tried, and a shorter lifetime holds for mail that waits', () => {
  const delivery = deliveryTo(['bo@far.example'])
  expect(planOf(delivery, byMx, 120 * HOUR).kind).toBe('end')
  const short = policy((domain) => ({ kind: 'mx', domain }) as Route, HOUR)
  expect(planOf(delivery, short, 2 * HOUR).kind).toBe('end')
})

test('what it was held is not counted', () => {
  const delivery = deliveryTo(['bo@far.example'], { heldFor: 1000 * HOUR })
  const { kind, ...times } = planOf(delivery, byMx, 1119 * HOUR)
  expect([kind, times]).toMatchObject(['send', { expireAt: 1120 * HOUR }])
  expect(timesOf({ ...delivery, warnAt: 5 }, byMx).warnAt).toBe(1001 * HOUR)
  expect(planOf(delivery, byMx, 1120 * HOUR).kind).toBe('end')
})

test('what an operator refused is not tried', () => {
  const refuse = { who: 'ops', why: 'spam' }
  expect(planOf(deliveryTo(['bo@far.example'], { refuse }), byMx, 0).kind).toBe('end')
})

const KEYS = [
  { selector: 's2026', algorithm: 'rsa-sha256' },
  { selector: 'e2026', algorithm: 'ed25519-sha256' },
] as const
const both: Signing = {
  domain: parseDomain('near.example')!,
  keys: KEYS.map((one) => ({ ...one, key: generateKeyPairSync('ed25519').privateKey })),
  at: 'signing.yaml:1',
}

function signedBy(sign: (local: string) => SignWith | undefined): Asked {
  return {
    ...byMx,
    signing: () => both,
    route: ({ domain, local }) => {
      const route: Route = { kind: 'mx', domain }
      const wish = sign(local)
      const routing = { destination: destinationOf(route), queue: 'default' }
      return { ...routing, at: 'routing.yaml:3', ...(wish === undefined ? {} : { sign: wish }) }
    },
  }
}

const SIGNED: [sign: SignWith | undefined, selectors: string[] | undefined, told?: string][] = [
  [undefined, ['s2026', 'e2026']],
  ['none', undefined, 'routing.yaml:3 says sign: none'],
  ['rsa', ['s2026'], 'routing.yaml:3 says sign: rsa'],
  ['ed25519', ['e2026'], 'routing.yaml:3 says sign: ed25519'],
  [['e2026', 's2026'], ['s2026', 'e2026'], 'routing.yaml:3 says sign: e2026, s2026'],
  [['other'], undefined, 'routing.yaml:3 says sign: other'],
]
for (const [sign, selectors, told] of SIGNED) {
  test(`a route that says sign: ${String(sign)} is signed by ${String(selectors)}`, () => {
    const plan = planOf(
      deliveryTo(['bo@far.example']),
      signedBy(() => sign),
      0,
    )
    if (plan.kind !== 'send') throw new Error('expected to send')
    expect(plan.signing?.keys.map(({ selector }) => selector)).toEqual(selectors)
    expect(plan.signedBy).toBe(told)
  })
}

test('recipients whose rules sign otherwise wait for a transaction of their own', () => {
  const delivery = deliveryTo(['bo@far.example', 'cy@far.example', 'di@far.example'])
  const plan = planOf(
    delivery,
    signedBy((local) => (local === 'cy' ? 'none' : 'rsa')),
    0,
  )
  const [bo, , di] = delivery.recipients
  expect(plan).toMatchObject({ kind: 'send', recipients: [bo, di] })
})
