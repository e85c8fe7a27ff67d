import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/mail/address.ts'
import type { Destination } from '../../src/mail/destination.ts'
import { timesLonger } from '../peers/growth.ts'
import { createFolder, policyOf } from './folder.ts'

const ROUTING = `- { to: [intranet.example, '*.corp.example'], via: { host: 10.0.0.5, port: 2525, tls: none } }
- { to: [boss@far.example], via: mx, queue: urgent }
- { from: [otp.example, alarm@ops.example], via: mx, queue: urgent }
- { to: ['*.far.example', far.example], via: { host: Smarthost.example } }
- { to: ['[192.0.2.1]', third.example], via: mx }
- { to: [v6.example], via: { host: '2001:db8::1', tls: required } }
- { to: [all.example], from: ['*'], via: mx }
`
const FILES = { 'routing.yaml': ROUTING, 'queues/urgent.yaml': 'priority: 1' }

const cases: [
  to: string,
  from: string | undefined,
  destination: string,
  queue: string,
  at: number,
][] = [
  ['a@intranet.example', 'x@y.example', '10.0.0.5:2525', 'default', 1],
  ['a@b.corp.example', 'x@y.example', '10.0.0.5:2525', 'default', 1],
  ['boss@far.example', 'x@y.example', 'far.example', 'urgent', 2],
  ['BOSS@FAR.example', 'x@y.example', 'far.example', 'urgent', 2],
  ['a@b.example', 'x@otp.example', 'b.example', 'urgent', 3],
  ['a@b.example', 'alarm@ops.example', 'b.example', 'urgent', 3],
  ['a@far.example', 'x@otp.example', 'far.example', 'urgent', 3],
  ['a@far.example', 'x@y.example', 'smarthost.example:25', 'default', 4],
  ['a@far.example', undefined, 'smarthost.example:25', 'default', 4],
  ['a@[192.0.2.1]', undefined, '[192.0.2.1]', 'default', 5],
  ['a@v6.example', undefined, '[2001:db8::1]:25', 'default', 6],
  ['a@all.example', undefined, 'all.example', 'default', 7],
]

for (const [to, from, destination, queue, line] of cases) {
  test(`${to} from ${from ?? '<>'} goes to ${destination} on ${queue}`, async () => {
    const policy = await policyOf(FILES)
    const sender = from === undefined ? undefined : parseAddress(from)
    const routing = policy.route(parseAddress(to)!, sender)
    expect(routing).toMatchObject({ destination, queue, at: `routing.yaml:${line}` })
  })
}

for (const to of ['a@corp.example', 'a@other.example', 'a@evilfar.example', 'a@[192.0.2.2]']) {
  test(`${to} has no rule, and so no route`, async () => {
    const policy = await policyOf(FILES)
    expect(policy.route(parseAddress(to)!, undefined)).toBeUndefined()
  })
}

const BEGINS: [via: string, port: number, hop: object][] = [
  ['port: 2465, tls: verified, implicit-tls: true', 2465, { tls: 'verified', implicitTls: true }],
  ['port: 2465, tls: verified, implicit-tls: false', 2465, { tls: 'verified' }],
  ['port: 465, tls: verified, implicit-tls: true', 465, { tls: 'verified' }],
  ['port: 465, tls: required', 465, { tls: 'required' }],
  ['port: 465, tls: required, implicit-tls: false', 465, { tls: 'required', implicitTls: false }],
  ['port: 465, tls: none, implicit-tls: false', 465, { tls: 'none' }],
]
for (const [via, port, hop] of BEGINS) {
  test(`{ ${via} } is how mail gets to hop.example:${port}, and no part of its name`, async () => {
    const policy = await policyOf({ 'routing.yaml': `- via: { host: hop.example, ${via} }` })
    const { destination } = policy.route(parseAddress('a@b.example')!, undefined)!
    expect(destination).toBe(`hop.example:${port}`)
    const route = { kind: 'hop', host: 'hop.example', port }
    expect(policy.path(destination)).toEqual([{ route, ...hop }])
  })
}

test('mail by MX has the domain as its name, and any domain has a way', async () => {
  const policy = await policyOf(FILES)
  const { destination } = policy.route(parseAddress('a@all.example')!, undefined)!
  const route = { kind: 'mx', domain: 'all.example' }
  expect(policy.path(destination)).toEqual([{ route, tls: 'opportunistic' }])
})

for (const name of ['gone.example:587', 'smart.example:587/verified/me', '[2001:db8::1]:25#2']) {
  test(`nobody knows the way to ${name}, which no rule names`, async () => {
    expect((await policyOf(FILES)).path(name as Destination)).toBeUndefined()
  })
}

/** Where mail of each sender goes. */
async function destinationsOf(routing: string, ...senders: string[]) {
  const policy = await policyOf({ 'routing.yaml': routing }, { ONE: 'a', TWO: 'b' })
  const destinations = senders.map((from) => {
    return policy.route(parseAddress('bo@far.example')!, parseAddress(`x@${from}`))!.destination
  })
  return { policy, destinations }
}

test('rules to one host are one destination, unless they ask for something else there', async () => {
  const { policy, destinations } = await destinationsOf(
    `- { from: [a.example], via: { host: hop.example, port: 587, tls: required } }
- { from: [b.example], via: { host: hop.example, port: 587, tls: none } }
- { from: [c.example], via: { host: hop.example, port: 587, tls: required }, sign: none }
- { from: [d.example], via: { host: hop.example, port: 587, tls: verified } }
`,
    'a.example',
    'b.example',
    'c.example',
    'd.example',
  )
  expect(destinations).toEqual([
    'hop.example:587',
    'hop.example:587#2',
    'hop.example:587',
    'hop.example:587#3',
  ])
  const levels = destinations.map((destination) => policy.path(destination)?.[0].tls)
  expect(levels).toEqual(['required', 'none', 'required', 'verified'])
})

test('each login at a host is a destination of its own, and its password is no part of it', async () => {
  const via = (user: string, secret: string) =>
    `via: { host: hop.example, port: 587, tls: verified, user: ${user}, password-env: ${secret} }`
  const rules = (secret: string) =>
    `- { from: [a.example], ${via('me/1', 'ONE')} }\n- { from: [b.example], ${via('you', secret)} }\n`
  const before = await destinationsOf(rules('ONE'), 'a.example', 'b.example')
  const after = await destinationsOf(rules('TWO'), 'a.example', 'b.example')
  expect(before.destinations).toEqual(['hop.example:587/me%2F1', 'hop.example:587/you'])
  expect(after.destinations).toEqual(before.destinations)
  const login = after.policy.path(after.destinations[1]!)?.[0].login
  expect(login).toEqual({ user: 'you', secret: 'TWO' })
  expect(after.policy.secret('TWO')).toBe('b')
})

const SIGN: [text: string, sign: unknown][] = [
  ['via: mx', undefined],
  ['via: mx, sign: all', undefined],
  ['via: mx, sign: none', 'none'],
  ['via: { host: hop.example }, sign: rsa', 'rsa'],
  ['via: { host: hop.example }, sign: [s2026]', ['s2026']],
]
for (const [text, sign] of SIGN) {
  test(`a rule of { ${text} } asks for the keys ${JSON.stringify(sign ?? 'all')}`, async () => {
    const pair = generateKeyPairSync('ed25519')
    const policy = await policyOf({
      'routing.yaml': `- { ${text} }`,
      'signing.yaml':
        '- { domains: [near.example], keys: [{ selector: s2026, file: keys/a.pem }] }',
      'keys/a.pem': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    })
    expect(policy.route(parseAddress('a@b.example')!, undefined)?.sign).toEqual(sign)
  })
}

const HOP = `- { to: ['*'], via: { host: smarthost.example, port: 587, tls: verified, user: me, password-env: SMART } }`

test('the password of a next hop comes from the environment', async () => {
  const policy = await policyOf({ 'routing.yaml': HOP }, { SMART: 'secret' })
  const { destination } = policy.route(parseAddress('a@b.example')!, undefined)!
  expect(destination).toBe('smarthost.example:587/me')
  expect(policy.path(destination)![0].login).toEqual({ user: 'me', secret: 'SMART' })
  expect(policy.secret('SMART')).toBe('secret')
})

test('or from the file that the environment names, without its line end', async () => {
  await using other = await createFolder({ 'keys/password': 'from file\n' })
  const env = { SMART_FILE: other.pathOf('keys/password') }
  const policy = await policyOf({ 'routing.yaml': HOP }, env)
  expect(policy.secret('SMART')).toBe('from file')
})

test('to a next hop without a user nobody logs in', async () => {
  const policy = await policyOf(FILES)
  const { destination } = policy.route(parseAddress('a@intranet.example')!, undefined)!
  expect(policy.path(destination)![0].login).toBeUndefined()
})

test('a password may go out unverified only where the rule says so', async () => {
  const careless = HOP.replace(
    'tls: verified',
    'tls: required, password-without-verification: true',
  )
  const policy = await policyOf({ 'routing.yaml': careless }, { SMART: 'secret' })
  expect(policy.warnings).toEqual([])
  const { destination } = policy.route(parseAddress('a@b.example')!, undefined)!
  expect(policy.path(destination)![0].login).toEqual({
    user: 'me',
    secret: 'SMART',
    withoutVerification: true,
  })
})

test('hidden rules are pointed out, with both lines, and others are not', async () => {
  const { warnings } = await policyOf({
    'routing.yaml': `- { to: ['*.corp.example'], via: mx }
- { to: [a.corp.example, '*.b.corp.example', ana@x.corp.example], via: mx }
- { to: [corp.example], via: mx }
- { to: [ana@corp.example], from: [x.example], via: mx }
- { to: ['*'], from: [otp.example], via: mx }
- { to: ['*'], from: [ana@otp.example], via: mx }
- { to: ['*'], via: mx }
- { to: [any.example], from: [any.example], via: mx }
`,
  })
  expect(warnings.map(({ at, text }) => `${at}: ${text.split(',')[0]}`)).toEqual([
    'routing.yaml:2: never decides: routing.yaml:1 fits all that it fits',
    'routing.yaml:4: never decides: routing.yaml:3 fits all that it fits',
    'routing.yaml:6: never decides: routing.yaml:5 fits all that it fits',
    'routing.yaml:8: never decides: routing.yaml:7 fits all that it fits',
  ])
})

// One sentence a rule would do it by comparing; this says that the index does not.
test('with twenty times as many rules a route is still a few look-ups', async () => {
  const routes = async (count: number): Promise<() => void> => {
    const rules = Array.from({ length: count }, (_, n) => `- { to: [d${n}.example], via: mx }`)
    const policy = await policyOf({ 'routing.yaml': rules.join('\n') })
    const recipient = parseAddress(`a@d${count - 1}.example`)!
    expect(policy.route(recipient, recipient)?.at).toBe(`routing.yaml:${count}`)
    return () => {
      for (let n = 0; n < 5000; n++) policy.route(recipient, recipient)
    }
  }
  const [many, few] = [await routes(2000), await routes(100)]
  expect(timesLonger(many, few)).toBeLessThan(5)
})
