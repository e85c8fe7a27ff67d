import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/mail/address.ts'
import { routeOf } from '../../src/mail/destination.ts'
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
  ['a@intranet.example', 'x@y.example', '10.0.0.5:2525/none', 'default', 1],
  ['a@b.corp.example', 'x@y.example', '10.0.0.5:2525/none', 'default', 1],
  ['boss@far.example', 'x@y.example', 'far.example', 'urgent', 2],
  ['BOSS@FAR.example', 'x@y.example', 'far.example', 'urgent', 2],
  ['a@b.example', 'x@otp.example', 'b.example', 'urgent', 3],
  ['a@b.example', 'alarm@ops.example', 'b.example', 'urgent', 3],
  ['a@far.example', 'x@otp.example', 'far.example', 'urgent', 3],
  ['a@far.example', 'x@y.example', 'smarthost.example:25/opportunistic', 'default', 4],
  ['a@far.example', undefined, 'smarthost.example:25/opportunistic', 'default', 4],
  ['a@[192.0.2.1]', undefined, '[192.0.2.1]', 'default', 5],
  ['a@v6.example', undefined, '[2001:db8::1]:25/required', 'default', 6],
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

const BEGINS: [via: string, destination: string][] = [
  ['port: 2465, tls: verified, implicit-tls: true', 'hop.example:2465/implicit-verified'],
  ['port: 2465, tls: verified, implicit-tls: false', 'hop.example:2465/verified'],
  ['port: 465, tls: verified, implicit-tls: true', 'hop.example:465/verified'],
  ['port: 465, tls: required', 'hop.example:465/required'],
  ['port: 465, tls: required, implicit-tls: false', 'hop.example:465/starttls-required'],
  ['port: 465, tls: none, implicit-tls: false', 'hop.example:465/none'],
]
for (const [via, destination] of BEGINS) {
  test(`{ ${via} } is the destination ${destination}`, async () => {
    const policy = await policyOf({ 'routing.yaml': `- via: { host: hop.example, ${via} }` })
    const routing = policy.route(parseAddress('a@b.example')!, undefined)!
    expect(routing.destination).toBe(destination)
    expect(routeOf(routing.destination)).toEqual(routing.route)
  })
}

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
  expect(destination).toBe('smarthost.example:587/verified/me')
  expect(policy.credentials(destination)).toEqual({ user: 'me', password: 'secret' })
})

test('or from the file that the environment names, without its line end', async () => {
  await using other = await createFolder({ 'keys/password': 'from file\n' })
  const env = { SMART_FILE: other.pathOf('keys/password') }
  const policy = await policyOf({ 'routing.yaml': HOP }, env)
  const { destination } = policy.route(parseAddress('a@b.example')!, undefined)!
  expect(policy.credentials(destination)).toEqual({ user: 'me', password: 'from file' })
})

test('a next hop without a user has no credentials', async () => {
  const policy = await policyOf(FILES)
  const { destination } = policy.route(parseAddress('a@intranet.example')!, undefined)!
  expect(policy.credentials(destination)).toBeUndefined()
})

test('a password may go out unverified only where the rule says so', async () => {
  const careless = HOP.replace(
    'tls: verified',
    'tls: required, password-without-verification: true',
  )
  const policy = await policyOf({ 'routing.yaml': careless }, { SMART: 'secret' })
  expect(policy.warnings).toEqual([])
  const { destination } = policy.route(parseAddress('a@b.example')!, undefined)!
  expect(policy.credentials(destination)).toEqual({
    user: 'me',
    password: 'secret',
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
test('with 20,000 rules a route is still a few look-ups', async () => {
  const rules = Array.from({ length: 20_000 }, (_, n) => `- { to: [d${n}.example], via: mx }`)
  const policy = await policyOf({ 'routing.yaml': rules.join('\n') })
  const recipient = parseAddress('a@d19999.example')!
  const start = performance.now()
  for (let n = 0; n < 20_000; n++) policy.route(recipient, recipient)
  expect(policy.route(recipient, recipient)?.at).toBe('routing.yaml:20000')
  expect(performance.now() - start).toBeLessThan(1000)
})
