// Logging in to a smart host: which mechanism, what when it is refused, and that nothing of the
// password comes back in what the server says.

import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { connect } from '../../src/delivery/connect/connect.ts'
import { hiderOf } from '../../src/delivery/connect/hide.ts'
import type { Connection } from '../../src/delivery/connection.ts'
import { createTlsContexts } from '../../src/delivery/connect/tls.ts'
import { parseAddress } from '../../src/mail/address.ts'
import { formatReply } from '../../src/mail/reply.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { startMx } from '../peers/mx.ts'
import type { Mx, Script } from '../peers/mx.ts'
import { called, outcomesOf } from './judged.ts'
import type { Called } from './judged.ts'

const certificate = makeCertificate('mx.far.example')
const credentials = { user: 'me', password: 'p\u00e4sq-quux9' }
const login = { user: 'me', secret: 'SMART' }
const USER = 'bWU='
const PASSWORD = Buffer.from(credentials.password).toString('base64')
const WORD = Buffer.from('\0me\0p\u00e4sq-quux9').toString('base64')
const PLAIN = `AUTH PLAIN ${WORD}`

const open: Connection[] = []
afterEach(() => {
  for (const connection of open.splice(0)) connection.destroy()
})

async function logIn(mx: Pick<Mx, 'address' | 'port'>): Promise<Called> {
  const { address, port } = mx
  const connected = await connect(
    { host: 'mx.far.example', address, port, tls: 'verified', login, credentials },
    {
      helloName: 'near.example',
      clock: systemClock,
      signal: new AbortController().signal,
      tls: createTlsContexts([certificate.ca]),
      timeouts: { auth: 500 },
    },
  )
  if (connected.kind === 'connected') open.push(connected.connection)
  return called(connected)
}

function startHop(script: Script): Promise<Mx> {
  return startMx({ certificate, ...script })
}

/** What was said of AUTH, in order. */
function said(mx: Mx): string[] {
  const from = mx.heard.findIndex((line) => line.startsWith('AUTH'))
  return from === -1 ? [] : mx.heard.slice(from).filter((line) => line !== 'QUIT')
}

const OFFERS: [offer: string, says: string[]][] = [
  ['AUTH LOGIN PLAIN', [PLAIN]],
  ['AUTH=LOGIN', ['AUTH LOGIN', USER, PASSWORD]],
  ['AUTH=LOGIN PLAIN', [PLAIN]],
  ['auth login Plain', [PLAIN]],
  ['AUTH CRAM-MD5,LOGIN', ['AUTH LOGIN', USER, PASSWORD]],
]
for (const [offer, says] of OFFERS) {
  test(`to "${offer}" we say ${says[0]!.slice(0, 10)}`, async () => {
    await using mx = await startHop({ offers: [offer] })
    expect((await logIn(mx)).kind).toBe('connected')
    expect(said(mx)).toEqual(says)
  })
}

const REFUSED: [reply: string, another: boolean][] = [
  ['504 5.7.4 Unrecognized authentication type', true],
  ['504 no such mechanism', true],
  ['534 5.7.9 too weak', true],
  ['535 5.7.4 not this one', true],
  ['501 5.5.4 Invalid parameter', true],
  ['500 5.5.1 Command unrecognized', true],
  ['535 5.7.8 Wrong password', false],
  ['454 4.7.0 not now', false],
  ['421 4.3.2 closing', false],
]
for (const [reply, another] of REFUSED) {
  const then = another ? 'LOGIN is tried on the same connection' : 'nothing else is tried'
  test(`when PLAIN is refused with "${reply}", ${then}`, async () => {
    await using mx = await startHop({
      offers: ['AUTH LOGIN PLAIN'],
      AUTH: (command) => (command.startsWith('AUTH PLAIN') ? reply : '334 VXNlcm5hbWU6'),
    })
    const connected = await logIn(mx)
    expect(said(mx)).toEqual(another ? [PLAIN, 'AUTH LOGIN', USER, PASSWORD] : [PLAIN])
    expect(mx.sessions).toBe(1)
    if (another) return expect(connected.kind).toBe('connected')
    expect(connected).toMatchObject({
      kind: 'failed',
      outcome: { kind: 'deferred', stage: 'auth' },
    })
  })
}

test('when both mechanisms are refused, the last refusal is told', async () => {
  await using mx = await startHop({
    offers: ['AUTH LOGIN PLAIN'],
    AUTH: ['504 5.7.4 not PLAIN', '504 5.7.4 nor LOGIN'],
  })
  const reply = { code: 504, text: 'nor LOGIN' }
  expect(await logIn(mx)).toMatchObject({ outcome: { stage: 'auth', reply } })
})

test('a server that does not look at the response to PLAIN is given it again', async () => {
  await using mx = await startHop({ offers: ['AUTH PLAIN'], AUTH: '334 ' })
  expect((await logIn(mx)).kind).toBe('connected')
  expect(said(mx)).toEqual([PLAIN, WORD])
})

test('a server that asks for more than a password is told to stop, and its words are kept', async () => {
  await using mx = await startHop({
    offers: ['AUTH LOGIN'],
    response: ['334 UGFzc3dvcmQ6', '334 VG9rZW46', '501 5.7.0 stopped'],
  })
  const connected = await logIn(mx)
  expect(said(mx)).toEqual(['AUTH LOGIN', USER, PASSWORD, '*'])
  expect(mx.heard.at(-1)).toBe('QUIT')
  const text = expect.stringContaining('334 VG9rZW46') as string
  expect(connected).toMatchObject({ kind: 'failed', outcome: { stage: 'auth', reply: { text } } })
})

test('a server that never ends to ask is left', async () => {
  await using mx = await startHop({ offers: ['AUTH PLAIN LOGIN'], AUTH: '334 ', response: '334 ' })
  expect(await logIn(mx)).toMatchObject({ kind: 'failed', outcome: { stage: 'auth' } })
  expect(said(mx)).toEqual([PLAIN, WORD, '*'])
})

test('a server that offers no mechanism that we know gets no password, and is told', async () => {
  await using mx = await startHop({ offers: ['AUTH CRAM-MD5 XOAUTH2'] })
  const text = 'The server offers neither AUTH PLAIN nor AUTH LOGIN, but CRAM-MD5 XOAUTH2'
  expect(await logIn(mx)).toMatchObject({ outcome: { stage: 'auth', reply: { text } } })
  expect(said(mx)).toEqual([])
})

const AUTHZID = Buffer.from('me\0me\0p\u00e4sq-quux9').toString('base64')
const QUOTES: [how: string, script: Script][] = [
  ['PLAIN in the refusal', { AUTH: `535 5.7.8 Cannot read "${PLAIN}"` }],
  ['half of PLAIN in the refusal', { AUTH: `535 5.7.8 Cannot read "${PLAIN.slice(0, 24)}..."` }],
  ['PLAIN with another identity', { AUTH: `535 5.7.8 Cannot read "${AUTHZID}"` }],
  ['PLAIN on several lines', { AUTH: `535-5.7.8 No\n535 5.7.8 "${PLAIN}"` }],
  ['PLAIN in what is no reply', { AUTH: { last: `Unrecognized: ${PLAIN}` } }],
  ['PLAIN without an end', { AUTH: `535-${WORD}` }],
  [
    'the answers to LOGIN',
    { offers: ['AUTH LOGIN'], response: ['334 UGFzc3dvcmQ6', `535 ${USER} ${PASSWORD} is wrong`] },
  ],
  ['the password itself', { AUTH: '535 5.7.8 P\u00e4sq-QUUX9 is not the password of me' }],
  ['PLAIN in a challenge', { AUTH: `334 ${WORD}`, response: `334 ${WORD}` }],
]
for (const [how, script] of QUOTES) {
  test(`a server that quotes ${how} is told without it`, async () => {
    await using mx = await startHop({ offers: ['AUTH PLAIN'], ...script })
    const connected = await logIn(mx)
    if (connected.kind !== 'failed') throw new Error('expected a failure')
    expectHidden(formatReply(connected.outcome.reply))
  })
}

const LATER: [stage: string, script: Script][] = [
  ['MAIL', { MAIL: `550 5.7.1 You said ${PLAIN}` }],
  ['the dot', { dot: `554 5.6.0 You said ${PASSWORD}` }],
  ['the loss', { MAIL: { last: `You said ${PLAIN}` } }],
]
for (const [stage, script] of LATER) {
  test(`a server that quotes our password at ${stage} is told without it`, async () => {
    await using mx = await startHop({ offers: ['AUTH PLAIN'], ...script })
    const connected = await logIn(mx)
    if (connected.kind !== 'connected') throw new Error('expected a connection')
    const result = await connected.connection.send({
      sender: undefined,
      recipients: [{ n: 0, address: parseAddress('bo@far.example')! }],
      smtpUtf8: false,
      eightBit: false,
      prefix: Buffer.alloc(0),
      size: 3,
      content: Buffer.from('x\r\n'),
    })
    expectHidden(formatReply(outcomesOf(result).get(0)!.reply))
  })
}

function expectHidden(text: string): void {
  expect(text).toContain('\u2026')
  for (const word of [WORD, PASSWORD, AUTHZID, credentials.password])
    for (let at = 0; at + 4 <= word.length; at++)
      expect(text.toLowerCase()).not.toContain(word.slice(at, at + 4).toLowerCase())
}

test.for([
  ['a', '5.7.8 a is not a password', '5.7.8 \u2026 is not \u2026 password'],
  ['', '5.7.8 no', '5.7.8 no'],
  ['2.0', '535 2.0 (2.0.0)', '535 \u2026 (\u2026.0)'],
  ['$&.*', 'is "$&.*" right', 'is "\u2026" right'],
] as const)('the password "%s" is taken out as it stands', ([password, text, shown]) => {
  expect(hiderOf('me', password)(text)).toBe(shown)
})

test('what servers usually say stays as it is', () => {
  const hide = hiderOf('relay@near.example', 'correct horse battery staple')
  for (const text of [
    '2.0.0 Ok: queued as 4F2B3C5D6E',
    '5.7.8 Error: authentication failed: UGFzc3dvcmQ6',
    'https://support.example/mail/?p=BadCredentials a1b2c3d4e5f6 - gsmtp',
  ])
    expect(hide(text)).toBe(text)
})
