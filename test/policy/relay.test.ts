import { expect, test } from 'vitest'
import type { RelayRequest } from '../../src/policy/policy.ts'
import { policyOf } from './folder.ts'

const SHIPPED = `- allow: { clients: [127.0.0.0/8, '::1/128'] }
- allow: { users: ['*'] }`
const NETWORK = `- allow: { clients: [192.0.2.0/24, 2001:db8::/32] }`
const BAD_USER = `- refuse: { users: [mallory] }
- allow: { clients: [192.0.2.0/24] }`
const BAD_USER_LAST = `- allow: { clients: [192.0.2.0/24] }
- refuse: { users: [mallory] }`
const BOTH = `- allow: { clients: [192.0.2.0/24], users: [ana] }`
const PENDING_ALLOW = `- allow: { users: ['*'] }
- allow: { clients: [192.0.2.0/24] }`
const REFUSED_HOST = `- refuse: { clients: [192.0.2.66, 127.0.0.1] }
- allow: { clients: [192.0.2.0/24] }`

const inside: RelayRequest = { client: '192.0.2.7', listenerLoopback: false }
const outside: RelayRequest = { client: '198.51.100.7', listenerLoopback: false }
const local: RelayRequest = { client: '127.0.0.1', listenerLoopback: true }
const proxied: RelayRequest = { client: '127.0.0.1', listenerLoopback: false }
const by = (request: RelayRequest, user: string): RelayRequest => ({ ...request, user })

const cases: [fact: string, rules: string, request: RelayRequest, action: string, at: string][] = [
  ['loopback may send where only loopback can connect', SHIPPED, local, 'allow', 'relay.yaml:1'],
  ['::1 is loopback', SHIPPED, { ...local, client: '::1' }, 'allow', 'relay.yaml:1'],
  [
    'a mapped IPv4 address is what it stands for',
    SHIPPED,
    { ...local, client: '::ffff:127.0.0.1' },
    'allow',
    'relay.yaml:1',
  ],
  ['behind a proxy, loopback is no proof', SHIPPED, proxied, 'authenticate', 'relay.yaml:2'],
  ['who has logged in may send', SHIPPED, by(outside, 'ana'), 'allow', 'relay.yaml:2'],
  ['a client in the network may send', NETWORK, inside, 'allow', 'relay.yaml:1'],
  [
    'a client in the IPv6 network may send',
    NETWORK,
    { ...inside, client: '2001:db8::5' },
    'allow',
    'relay.yaml:1',
  ],
  ['a client outside is refused', NETWORK, outside, 'refuse', 'no rule in relay.yaml fits'],
  [
    'an address that leads to one in the network is not in it',
    NETWORK,
    { ...inside, client: '64:ff9b::c000:207' },
    'refuse',
    'no rule in relay.yaml fits',
  ],
  ['no rules refuse everybody', '', local, 'refuse', 'no rule in relay.yaml fits'],
  [
    'not logging in is no way round a refused user',
    BAD_USER,
    inside,
    'authenticate',
    'relay.yaml:1',
  ],
  ['a refused user is refused', BAD_USER, by(inside, 'mallory'), 'refuse', 'relay.yaml:1'],
  ['another user goes on to the next rule', BAD_USER, by(inside, 'ana'), 'allow', 'relay.yaml:2'],
  [
    'where every way refuses, AUTH is not asked for',
    BAD_USER,
    outside,
    'refuse',
    'no rule in relay.yaml fits',
  ],
  [
    'the first rule that fits decides',
    BAD_USER_LAST,
    by(inside, 'mallory'),
    'allow',
    'relay.yaml:1',
  ],
  ['all keys must fit: AUTH is missing', BOTH, inside, 'authenticate', 'relay.yaml:1'],
  [
    'all keys must fit: the network does not',
    BOTH,
    by(outside, 'ana'),
    'refuse',
    'no rule in relay.yaml fits',
  ],
  [
    'all keys must fit: another user does not',
    BOTH,
    by(inside, 'bo'),
    'refuse',
    'no rule in relay.yaml fits',
  ],
  ['all keys fit', BOTH, by(inside, 'ana'), 'allow', 'relay.yaml:1'],
  [
    'a client that would be allowed anyway need not log in',
    PENDING_ALLOW,
    inside,
    'allow',
    'relay.yaml:2',
  ],
  [
    'a client that AUTH would let in is asked for it',
    PENDING_ALLOW,
    outside,
    'authenticate',
    'relay.yaml:1',
  ],
  [
    'a refused host is refused',
    REFUSED_HOST,
    { ...inside, client: '192.0.2.66' },
    'refuse',
    'relay.yaml:1',
  ],
  ['loopback is refused also behind a proxy', REFUSED_HOST, proxied, 'refuse', 'relay.yaml:1'],
  [
    'what is no address fits no network',
    NETWORK,
    { ...inside, client: 'x' },
    'refuse',
    'no rule in relay.yaml fits',
  ],
]

for (const [fact, rules, request, action, at] of cases) {
  test(fact, async () => {
    const policy = await policyOf({ 'relay.yaml': rules })
    expect(policy.mayRelay(request)).toEqual({ action, at })
  })
}

const doubts: [fact: string, rules: string, at: string, text: RegExp][] = [
  [
    'a rule behind a wider one is pointed out',
    "- allow: { clients: [10.0.0.0/8] }\n- refuse: { clients: [10.1.0.0/16], users: ['*'] }",
    'relay.yaml:2',
    /never decides: relay\.yaml:1 fits/,
  ],
  [
    'a rule for all who logged in hides one for a user',
    "- allow: { users: ['*'] }\n- refuse: { users: [mallory] }",
    'relay.yaml:2',
    /never decides/,
  ],
  [
    'a user who is not there is pointed out',
    '- allow: { users: [ana] }',
    'relay.yaml:1',
    /"ana", who is not in users\.yaml/,
  ],
  [
    'an open relay is pointed out',
    "- allow: { clients: ['0.0.0.0/0'] }",
    'relay.yaml:1',
    /open relay/,
  ],
]

for (const [fact, rules, at, text] of doubts) {
  test(fact, async () => {
    const { warnings } = await policyOf({ 'relay.yaml': rules })
    expect(warnings).toContainEqual({ level: 'warning', at, text: expect.stringMatching(text) })
  })
}

test('a loopback rule that does not fit behind a proxy hides no refusal that does', async () => {
  const { warnings } = await policyOf({
    'relay.yaml': '- allow: { clients: [127.0.0.0/8] }\n- refuse: { clients: [127.0.0.1] }',
  })
  expect(warnings).toEqual([])
})
