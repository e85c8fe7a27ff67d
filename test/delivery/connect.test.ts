// The way from a target to a connection: greeting, EHLO, TLS at each level, AUTH, and every way
// in which a server can spoil it. None of it speaks of the mail.

import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { connect } from '../../src/delivery/connect/connect.ts'
import type { ConnectOptions } from '../../src/delivery/connect/connect.ts'
import type { Connection, Target } from '../../src/delivery/connection.ts'
import { createTlsContexts } from '../../src/delivery/connect/tls.ts'
import { TLS_LEVELS } from '../../src/mail/path.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { drop, silence, startMx } from '../peers/mx.ts'
import type { Mx, Script, Verb } from '../peers/mx.ts'
import { called } from './judged.ts'
import type { Called } from './judged.ts'

const certificate = makeCertificate('mx.far.example')
const stranger = makeCertificate('other.example')
const credentials = { user: 'me', password: 'p\u00e4ss' }

const open: Connection[] = []
afterEach(() => {
  for (const connection of open.splice(0)) connection.destroy()
})

async function call(
  mx: Pick<Mx, 'address' | 'port'>,
  target: Partial<Target> = {},
  options: Partial<ConnectOptions> = {},
): Promise<Called> {
  const connected = await connect(
    { host: 'mx.far.example', address: mx.address, port: mx.port, tls: 'none', ...target },
    {
      helloName: 'near.example',
      clock: systemClock,
      signal: new AbortController().signal,
      tls: createTlsContexts([certificate.ca]),
      ...options,
    },
  )
  if (connected.kind === 'connected') open.push(connected.connection)
  return called(connected)
}

function failedAt(stage: string, text = ''): object {
  const reply = { text: expect.stringContaining(text) as string }
  const scope = stage === 'starttls' || stage === 'auth' ? 'way' : 'site'
  return { kind: 'failed', outcome: { kind: 'deferred', stage, scope, reply } }
}

test('a server that knows no EHLO is greeted with HELO', async () => {
  await using mx = await startMx({ EHLO: '502 5.5.1 what?' })
  expect((await call(mx)).kind).toBe('connected')
  expect(mx.heard).toEqual(['EHLO near.example', 'HELO near.example'])
})

const SPOILT: [verb: Verb, script: Script, text: string][] = [
  ['greeting', { greeting: '554 5.7.1 not you' }, 'not you'],
  ['greeting', { greeting: '521 5.3.2 no mail here' }, 'no mail'],
  ['greeting', { greeting: '421 4.3.2 busy' }, 'busy'],
  ['greeting', { greeting: drop }, 'closed'],
  ['greeting', { greeting: silence }, 'No answer'],
  ['greeting', { greeting: 'SSH-2.0-OpenSSH_9.2' }, 'no SMTP; it sent "SSH-2.0-OpenSSH_9.2"'],
  [
    'greeting',
    { greeting: '220-mx ESMTP\n521 5.7.1 client blocked' },
    'client blocked\n220-mx ESMTP',
  ],
  [
    'greeting',
    { greeting: { last: '220-mx ESMTP' } },
    'closed the connection; it sent "220-mx ESMTP"',
  ],
  ['EHLO', { EHLO: '451 4.3.0 later' }, 'later'],
  ['EHLO', { EHLO: drop }, 'closed'],
  ['EHLO', { EHLO: { last: 'Go away' } }, 'it sent "Go away"'],
  ['EHLO', { EHLO: silence }, 'No answer'],
  ['EHLO', { EHLO: '502 no', HELO: '550 no' }, 'no'],
]
for (const [verb, script, text] of SPOILT) {
  test(`${verb} that ends in "${text}" is trouble of the site`, async () => {
    await using mx = await startMx(script)
    const connected = await call(mx, {}, { timeouts: { greeting: 40, hello: 40 } })
    expect(connected).toMatchObject(failedAt(verb === 'greeting' ? 'greeting' : 'hello', text))
    await mx.until(() => mx.open === 0)
  })
}

test('a port that nobody listens at is trouble of the site, and says where', async () => {
  const { address, port, ...mx } = await startMx()
  await mx[Symbol.asyncDispose]()
  const connected = await call({ address, port })
  const text = `mx.far.example [127.0.0.1]:${port}: ECONNREFUSED`
  expect(connected).toMatchObject(failedAt('connect', text))
})

test('a call that is stopped ends at once', async () => {
  await using mx = await startMx({ EHLO: silence })
  const stop = new AbortController()
  const calling = call(mx, {}, { signal: stop.signal })
  await mx.until(() => mx.heard.length === 1)
  stop.abort()
  expect(await calling).toMatchObject(failedAt('hello', 'stopping'))
})

test('a source is where the call comes from', async () => {
  await using mx = await startMx()
  const connected = await call(mx, { source: '127.0.0.77' })
  expect(connected).toMatchObject({ connection: { fact: { source: '127.0.0.77' } } })
})

for (const tls of TLS_LEVELS) {
  test(`tls ${tls} with a certificate that holds`, async () => {
    await using mx = await startMx({ certificate })
    const connected = await call(mx, { tls })
    if (connected.kind !== 'connected') throw new Error(connected.outcome.reply.text)
    const secured = connected.connection.fact.tls
    if (tls === 'none') expect(secured).toBeUndefined()
    else expect(secured).toMatchObject({ version: 'TLSv1.3', verified: tls === 'verified' })
    expect(mx.heard.filter((line) => line.startsWith('EHLO'))).toHaveLength(tls === 'none' ? 1 : 2)
  })
}

const TLS: [tls: Target['tls'], what: string, script: Script, works: boolean][] = [
  ['opportunistic', 'a certificate of another name', { certificate: stranger }, true],
  ['required', 'a certificate of another name', { certificate: stranger }, true],
  ['verified', 'a certificate of another name', { certificate: stranger }, false],
  ['opportunistic', 'no STARTTLS', {}, true],
  ['required', 'no STARTTLS', {}, false],
  ['verified', 'no STARTTLS', {}, false],
  ['opportunistic', 'STARTTLS refused', { certificate, STARTTLS: '454 4.7.0 not now' }, true],
  ['required', 'STARTTLS refused', { certificate, STARTTLS: '454 4.7.0 not now' }, false],
  ['opportunistic', 'a handshake that breaks', { certificate, STARTTLS: { last: '220 go' } }, true],
  ['opportunistic', 'a STARTTLS that ends it', { certificate, STARTTLS: drop }, true],
  ['required', 'a STARTTLS that ends it', { certificate, STARTTLS: drop }, false],
  ['required', 'a handshake that breaks', { certificate, STARTTLS: { last: '220 go' } }, false],
  ['verified', 'a handshake that breaks', { certificate, STARTTLS: { last: '220 go' } }, false],
]
for (const [tls, what, script, works] of TLS) {
  test(`tls ${tls} with ${what} ${works ? 'goes on' : 'does not'}`, async () => {
    await using mx = await startMx(script)
    const connected = await call(mx, { tls })
    if (works) expect(connected.kind).toBe('connected')
    else expect(connected).toMatchObject(failedAt('starttls'))
  })
}

test('a certificate of the right name whose authority nobody knows is not verified', async () => {
  await using mx = await startMx({ certificate })
  const connected = await call(mx, { tls: 'verified' }, { tls: createTlsContexts([stranger.ca]) })
  expect(connected).toMatchObject(failedAt('starttls'))
})

test('after a broken handshake opportunistic TLS calls again, goes on in clear, and says so', async () => {
  await using mx = await startMx({ certificate, STARTTLS: { last: '220 go' } })
  const connected = await call(mx, { tls: 'opportunistic' })
  expect(mx.sessions).toBe(2)
  if (connected.kind !== 'connected') throw new Error('expected a connection')
  expect(connected.connection.fact.notes).toEqual([expect.stringContaining('went on in clear')])
})

test('a handshake that never ends is given up in its time', async () => {
  await using mx = await startMx({ offers: ['STARTTLS'] })
  const connected = await call(mx, { tls: 'required' }, { timeouts: { handshake: 50 } })
  expect(connected).toMatchObject(failedAt('starttls', 'in time'))
})

for (const behind of ['250-injected\n250 PIPELINING', '250-half', 'noise', '220 go'])
  for (const tls of ['opportunistic', 'required', 'verified'] as const)
    test(`"${behind.replace('\n', ' ')}" behind the 220 of STARTTLS is never read (tls ${tls})`, async () => {
      await using mx = await startMx({ certificate, STARTTLS: `220 go\n${behind}` })
      const connected = await call(mx, { tls })
      if (tls !== 'opportunistic')
        return expect(connected).toMatchObject(failedAt('starttls', 'bytes followed'))
      if (connected.kind !== 'connected') throw new Error('expected a connection')
      expect(connected.connection.fact).toMatchObject({
        tlsFailed: expect.stringContaining('bytes'),
      })
      expect(connected.connection.fact.tls).toBeUndefined()
      expect(mx.sessions).toBe(2)
    })

test('a server that knows neither EHLO nor HELO may speak LMTP, and the trace says so', async () => {
  const unknown = '500 5.5.1 Unknown command'
  await using mx = await startMx({ EHLO: unknown, HELO: unknown })
  const note = expect.stringContaining('it may speak LMTP') as string
  expect(await call(mx)).toMatchObject({ ...failedAt('hello'), fact: { notes: [note] } })
})

test('what verified TLS does not trust is told in our words, not in those of Node', async () => {
  await using mx = await startMx({ certificate })
  const connected = await call(mx, { tls: 'verified' }, { tls: createTlsContexts([stranger.ca]) })
  expect(connected).toMatchObject(failedAt('starttls', 'NODE_EXTRA_CA_CERTS'))
  expect(JSON.stringify(connected)).not.toContain('running Node')
})

test('what was offered before TLS is forgotten', async () => {
  await using mx = await startMx({
    certificate,
    EHLO: ['250-mx\n250-DSN\n250 STARTTLS', '250-mx\n250 PIPELINING'],
  })
  const connected = await call(mx, { tls: 'required' })
  expect(connected).toMatchObject({ connection: { offersDsn: false } })
})

test.skipIf(process.getuid?.() !== 0)('port 465 is TLS from the first byte', async () => {
  await using mx = await startMx({ certificate, implicit: true }, { port: 465 })
  const connected = await call(mx, { tls: 'verified' })
  expect(connected).toMatchObject({ connection: { fact: { tls: { verified: true } } } })
  expect(mx.heard).toEqual(['EHLO near.example'])
})

for (const tls of ['opportunistic', 'required', 'verified'] as const) {
  test(`any port is TLS from the first byte where its rule says so, with tls ${tls}`, async () => {
    await using mx = await startMx({ certificate, implicit: true })
    const connected = await call(mx, { tls, implicitTls: true })
    const verified = tls === 'verified'
    expect(connected).toMatchObject({ connection: { fact: { tls: { verified } } } })
    expect(mx.heard).toEqual(['EHLO near.example'])
  })
}

test.skipIf(process.getuid?.() !== 0)(
  'port 465 is as any other where its rule says so',
  async () => {
    await using mx = await startMx({ certificate }, { port: 465 })
    const connected = await call(mx, { tls: 'verified', implicitTls: false })
    expect(connected).toMatchObject({ connection: { fact: { tls: { verified: true } } } })
    expect(mx.heard).toContain('STARTTLS')
  },
)

test('a port that waits for TLS from the first byte is silent, and the trace says what that may be', async () => {
  await using mx = await startMx({ certificate, implicit: true })
  const options = { timeouts: { greeting: 50 } }
  expect(await call(mx, { tls: 'verified' }, options)).toMatchObject(
    failedAt('greeting', 'its rule in routing.yaml wants implicit-tls: true'),
  )
})

const RISKY: [tls: Target['tls'], waived: boolean, hidden: boolean, sent: boolean][] = [
  ['none', false, false, false],
  ['opportunistic', false, false, false],
  ['required', false, false, false],
  ['none', true, false, true],
  ['required', true, false, true],
  ['opportunistic', true, false, true],
  ['opportunistic', true, true, false], // STARTTLS was asked for, and somebody hides it
]
for (const [tls, withoutVerification, hidden, sent] of RISKY) {
  const rule = withoutVerification ? 'waived by a rule' : 'not verified'
  const offered = hidden ? ', STARTTLS hidden' : ''
  test(`a password ${sent ? 'goes' : 'does not go'} out with tls ${tls}, ${rule}${offered}`, async () => {
    await using mx = await startMx({
      ...(hidden ? {} : { certificate }),
      offers: ['AUTH PLAIN'],
    })
    const login = { user: 'me', secret: 'SMART', withoutVerification }
    const connected = await call(mx, { tls, login, credentials })
    expect(connected.kind).toBe(sent ? 'connected' : 'failed')
    expect(mx.heard.some((line) => line.startsWith('AUTH PLAIN'))).toBe(sent)
  })
}
