// AUTH (RFC 4954, 4616) and TLS (RFC 3207, 8314): what is offered where, and who may send as whom.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { expect, test } from 'vitest'
import type { ListenerOptions } from '../../src/listen/listener.ts'
import type { Policy, User } from '../../src/policy/policy.ts'
import type { Talk, World } from './world.ts'
import { LoginThrottle } from '../../src/listen/door/login-throttle.ts'
import { startListener } from '../../src/listen/listener.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { startWorld } from './world.ts'

const certificate = makeCertificate('relay.test')
const tls = () => certificate

const ana: User = {
  name: 'ana',
  password: 'plain:secret',
  senders: ['near.example'],
  at: 'users.yaml:1',
}
const policies: Partial<Policy> = {
  user: (name) => (name === 'ana' ? ana : undefined),
  mayRelay: ({ user }) =>
    user === undefined
      ? { action: 'authenticate', at: 'relay.yaml:2' }
      : { action: 'allow', at: 'relay.yaml:2' },
  maySend: (_, sender) => ({
    allowed: sender === undefined || sender.domain === 'near.example',
    at: 'users.yaml:1',
  }),
}
const PLAIN = Buffer.from('\0ana\0secret').toString('base64')
const LOOPBACK = { rules: { authWithoutTls: 'loopback' }, policies } as const

async function greet(world: World, how: { tls?: boolean } = {}): Promise<Talk> {
  const talk = await world.dial(how)
  await talk.hear()
  await talk.say('EHLO app.test')
  return talk
}

test('without TLS neither AUTH is offered nor a password taken', async () => {
  await using world = await startWorld({ tls, policies })
  await using talk = await world.dial()
  await talk.hear()
  const keywords = await talk.say('EHLO app.test')
  expect(keywords).toContain('STARTTLS')
  expect(keywords).not.toContain('AUTH')
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^538 5\.7\.11 /)
})

test('on loopback a policy may allow AUTH in clear', async () => {
  await using world = await startWorld(LOOPBACK)
  await using talk = await world.dial()
  await talk.hear()
  expect(await talk.say('EHLO app.test')).toMatch(/AUTH PLAIN LOGIN/)
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^530 5\.7\.0 /)
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toBe('235 2.7.0 Authenticated')
  expect(await talk.say('EHLO app.test')).not.toContain('AUTH')
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^250 2\.1\.0 /)
})

test('after STARTTLS AUTH is offered, and everything said before is forgotten', async () => {
  await using world = await startWorld({ tls, policies })
  await using talk = await greet(world)
  expect(await talk.say('STARTTLS now')).toMatch(/^501 5\.5\.4 /)
  expect(await talk.say('STARTTLS')).toBe('220 2.0.0 Ready to start TLS')
  await talk.startTls()
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^503 5\.5\.1 /)
  const keywords = await talk.say('EHLO app.test')
  expect(keywords).toContain('AUTH PLAIN LOGIN')
  expect(keywords).not.toContain('STARTTLS')
  expect(await talk.say('STARTTLS')).toMatch(/^503 5\.5\.1 /)
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^235 2\.7\.0 /)
  for (const line of ['MAIL FROM:<ana@near.example>', 'RCPT TO:<b@c.test>', 'DATA'])
    await talk.say(line)
  await talk.say('From: ana@near.example\r\n\r\nx\r\n.')
  const { mail, content } = world.queue.accepted[0]!
  expect(mail.envelope.submitter).toMatchObject({ user: 'ana', protocol: 'ESMTPSA' })
  expect(content).toMatch(/\r\n\t\(TLSv1\.3 TLS_\w+\)\r\n\tby relay\.test with ESMTPSA id m1/)
})

test('nothing that came in clear behind STARTTLS is obeyed', async () => {
  await using world = await startWorld({ tls })
  await using talk = await greet(world)
  talk.write('STARTTLS\r\nMAIL FROM:<evil@near.example>\r\nRCPT TO:<b@c.test>\r\n')
  expect(await talk.hear()).toMatch(/^220 /)
  await talk.startTls()
  expect(await talk.say('EHLO app.test')).toMatch(/^250-relay\.test/)
  expect(await talk.say('RCPT TO:<b@c.test>')).toMatch(/^503 5\.5\.1 /)
})

test('TLS older than 1.2 is refused', async () => {
  await using world = await startWorld({ scheme: 'submissions', tls })
  const { port } = world.listener.address
  const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const socket = connect({ port, rejectUnauthorized: false, ...old })
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve))
  expect(error.message).toMatch(/protocol version|handshake|ECONNRESET/)
})

test('submission wants TLS and AUTH, whatever the network rules say', async () => {
  const open: Partial<Policy> = {
    ...policies,
    mayRelay: () => ({ action: 'allow', at: 'relay.yaml:1' }),
  }
  await using world = await startWorld({ scheme: 'submission', tls, policies: open })
  await using talk = await greet(world)
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toBe('530 5.7.0 Say STARTTLS first')
  await talk.say('STARTTLS')
  await talk.startTls()
  await talk.say('EHLO app.test')
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toBe('530 5.7.0 Authentication required')
  await talk.say(`AUTH PLAIN ${PLAIN}`)
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^250 /)
})

test('submissions speaks TLS from the first byte', async () => {
  await using world = await startWorld({ scheme: 'submissions', tls, policies })
  await using talk = await greet(world, { tls: true })
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^530 5\.7\.0 /)
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^235 /)
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^250 /)
})

test('a listener that needs TLS does not start without a certificate', async () => {
  const options = { scheme: 'submission', host: '127.0.0.1', port: 0 } as ListenerOptions
  await expect(startListener(options)).rejects.toThrow(
    'Cannot listen on "submission://127.0.0.1:0": no certificate and key are set',
  )
})

test('a new certificate is used from the next connection on; a wrong one changes nothing', async () => {
  await using world = await startWorld({ scheme: 'submissions', tls })
  const other = makeCertificate('other.test')
  expect(() => world.listener.updateTls(other.key, certificate.cert)).toThrow(/key/)
  expect(await subjectOf(world)).toBe('relay.test')
  world.listener.updateTls(other.key, other.cert)
  expect(await subjectOf(world)).toBe('other.test')
})

async function subjectOf(world: World): Promise<unknown> {
  const socket = connect({ port: world.listener.address.port, rejectUnauthorized: false })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

const b64 = (text: string) => Buffer.from(text).toString('base64')
const EXCHANGES: [name: string, steps: [say: string, hear: string][]][] = [
  ['PLAIN in one step', [[`AUTH PLAIN ${PLAIN}`, '235 2.7.0']]],
  [
    'PLAIN in two steps',
    [
      ['auth plain', '334 '],
      [PLAIN, '235 2.7.0'],
    ],
  ],
  ['PLAIN with our own identity', [[`AUTH PLAIN ${b64('ana\0ana\0secret')}`, '235 2.7.0']]],
  ["PLAIN with somebody else's identity", [[`AUTH PLAIN ${b64('bo\0ana\0secret')}`, '535 5.7.8']]],
  ['PLAIN with a fourth part', [[`AUTH PLAIN ${b64('\0ana\0secret\0x')}`, '501 5.5.2']]],
  ['PLAIN with two parts', [[`AUTH PLAIN ${b64('ana\0secret')}`, '501 5.5.2']]],
  ['PLAIN with nothing', [['AUTH PLAIN =', '501 5.5.2']]],
  ['PLAIN with a wrong password', [[`AUTH PLAIN ${b64('\0ana\0x')}`, '535 5.7.8']]],
  ['PLAIN with an unknown user', [[`AUTH PLAIN ${b64('\0bo\0secret')}`, '535 5.7.8']]],
  ['no base64', [['AUTH PLAIN %%%', '501 5.5.2']]],
  [
    'LOGIN',
    [
      ['AUTH LOGIN', '334 VXNlcm5hbWU6'],
      [b64('ana'), '334 UGFzc3dvcmQ6'],
      [b64('secret'), '235'],
    ],
  ],
  [
    'LOGIN with a name at once',
    [
      [`AUTH LOGIN ${b64('ana')}`, '334 UGFzc3dvcmQ6'],
      [b64('secret'), '235'],
    ],
  ],
  [
    'a change of mind',
    [
      ['AUTH LOGIN', '334 '],
      ['*', '501 5.7.0'],
      ['NOOP', '250 2.0.0'],
    ],
  ],
  [
    'a mechanism that is not offered',
    [
      ['AUTH CRAM-MD5', '504 5.5.4'],
      ['AUTH', '501 5.5.4'],
    ],
  ],
  [
    'a second login',
    [
      [`AUTH PLAIN ${PLAIN}`, '235'],
      [`AUTH PLAIN ${PLAIN}`, '503 5.5.1'],
    ],
  ],
  [
    'a login within a transaction',
    [
      [`AUTH PLAIN ${PLAIN}`, '235'],
      ['MAIL FROM:<>', '250'],
      [`AUTH PLAIN ${PLAIN}`, '503 5.5.1'],
    ],
  ],
  ['a long line', [[`AUTH PLAIN ${b64(`\0ana\0${'x'.repeat(9000)}`)}`, '535 5.7.8']]],
]
for (const [name, steps] of EXCHANGES)
  test(`AUTH: ${name} is answered ${steps.at(-1)![1]}`, async () => {
    await using world = await startWorld(LOOPBACK)
    await using talk = await greet(world)
    for (const [say, hear] of steps) expect((await talk.say(say)).slice(0, hear.length)).toBe(hear)
  })

test('a line that is too long ends the exchange that it belongs to', async () => {
  await using world = await startWorld(LOOPBACK)
  await using talk = await greet(world)
  await talk.say('AUTH LOGIN')
  expect(await talk.say('x'.repeat(13_000))).toMatch(/^500 5\.5\.6 /)
  expect(await talk.say('NOOP')).toMatch(/^250 /)
})

test('commands that come in behind a login wait for its end', async () => {
  await using world = await startWorld(LOOPBACK)
  await using talk = await greet(world)
  talk.write(`AUTH PLAIN ${PLAIN}\r\nMAIL FROM:<ana@near.example>\r\n`)
  expect(await talk.hear()).toMatch(/^235 /)
  expect(await talk.hear()).toMatch(/^250 2\.1\.0 /)
})

test('five failed logins end the connection, and are reported without passwords', async () => {
  const { ManualClock } = await import('../peers/clock.ts')
  const clock = new ManualClock()
  await using world = await startWorld({ ...LOOPBACK, clock })
  await using talk = await greet(world)
  for (let n = 1; n <= 5; n++) {
    talk.write(`AUTH PLAIN ${b64(`\0ana\0guess${n}`)}\r\n`)
    const hurry = setInterval(() => clock.pass(5000), 5)
    expect(await talk.hear()).toMatch(/^535 5\.7\.8 /)
    clearInterval(hurry)
  }
  expect(await talk.hear()).toMatch(/^421 4\.7\.0 /)
  await talk.untilClosed()
  const logins = world.events.filter(({ kind }) => kind === 'login')
  expect(logins).toHaveLength(5)
  expect(logins[0]).toMatchObject({ user: 'ana', ok: false, client: '127.0.0.1' })
  expect(JSON.stringify(world.events)).not.toMatch(/guess/)
})

test('a password that cannot be checked is told in general words', async () => {
  const verifyPassword = () => Promise.reject(new Error('argon2 is broken'))
  await using world = await startWorld({ ...LOOPBACK, verifyPassword })
  await using talk = await greet(world)
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^454 4\.7\.0 /)
  expect(world.events).toContainEqual(
    expect.objectContaining({ kind: 'note', cause: 'argon2 is broken' }),
  )
})

test('a user sends only as its senders: at MAIL, in From and in Sender', async () => {
  await using world = await startWorld(LOOPBACK)
  await using talk = await greet(world)
  await talk.say(`AUTH PLAIN ${PLAIN}`)
  expect(await talk.say('MAIL FROM:<ana@far.example>')).toMatch(/^550 5\.7\.1 /)
  const send = async (header: string): Promise<string> => {
    for (const line of ['MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
    return talk.say(`${header}\r\n\r\nx\r\n.`)
  }
  const own = 'From: ana@near.example'
  expect(await send(own)).toMatch(/^250 /)
  for (const header of [
    'From: ana@far.example',
    'From: ana@near.example, ana@far.example',
    'From: "ana@near.example" <ana@far.example>',
    'From: ana@far.example <ana@near.example>',
    'From: Lund, Ana <ana@far.example>',
    'From: Ana <ana@far.example',
    `${own}\r\nFrom: ana@far.example`,
    `${own}\r\nSender: ana@far.example`,
    `${own}\r\nsender : ana@far.example`,
    'FROM:\r\n <ana@far.example>',
    `From${' '.repeat(50)}: ana@far.example`,
  ])
    expect([header, await send(header)]).toEqual([header, expect.stringMatching(/^550 5\.7\.1 /)])
  expect(world.queue.accepted).toHaveLength(1)
  for (const header of [
    'From: Ana',
    'From: "ana@far.example", Ana <ana@near.example>',
    'From: Ana <ana@near.example> <ana@near.example>',
    `${own}\r\nSender: Ana`,
  ])
    expect([header, await send(header)]).toEqual([
      header,
      expect.stringMatching(/^554 5\.6\.0 From /),
    ])
  expect(world.queue.accepted).toHaveLength(1)
  for (const header of [
    'From: Lund, Ana <ana@near.example>',
    'From: Ana <ana@near.example',
    'From: Ana ana@near.example',
    'From: ana@near.example <ana@near.example>',
    'Subject: no From, so the sender of the envelope were it, and there is none',
  ])
    expect([header, await send(header)]).toEqual([header, expect.stringMatching(/^250 /)])
  expect(world.events).toContainEqual(
    expect.objectContaining({
      kind: 'refused',
      command: 'DATA',
      user: 'ana',
      rule: 'users.yaml:1',
    }),
  )
})

// Our reading of a header ends at a line that is no field. Others skip such a line, and take a From
// behind it for the author: it is refused, or has to be in the body for them too.
for (const line of ['no field', ' From: ana@far.example', '\xa0', 'From\xa0: x', 'x y: z', ': x'])
  test(`no author can hide behind ${JSON.stringify(line)}`, async () => {
    await using world = await startWorld(LOOPBACK)
    await using talk = await greet(world)
    await talk.say(`AUTH PLAIN ${PLAIN}`)
    const send = async (header: string): Promise<string> => {
      for (const line of ['MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
      return talk.say(`${header}\r\n\r\nx\r\n.`)
    }
    expect(await send(`${line}\r\nFrom: ana@far.example`)).toMatch(/^554 5\.6\.0 Line 1 /)
    expect(await send(`${line}\r\nFrom: ana@far.example\r\nand text`)).toMatch(/^250 /)
    const [header, body] = world.queue.accepted[0]!.content.split('\r\n\r\n', 2)
    expect(header).not.toContain('far.example')
    expect(body).toBe(`${line}\r\nFrom: ana@far.example\r\nand text`)
  })

test('a user that is removed from the file is asked to authenticate again', async () => {
  await using world = await startWorld(LOOPBACK)
  await using talk = await greet(world)
  await talk.say(`AUTH PLAIN ${PLAIN}`)
  world.policy = { ...world.policy, user: () => undefined }
  expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^530 5\.7\.0 /)
})

test('a user that is removed before its content is refused with it', async () => {
  await using world = await startWorld(LOOPBACK)
  const { policy } = world
  for (const content of ['DATA', 'BDAT 6 LAST\r\nQUIT\r']) {
    world.policy = policy
    await using talk = await greet(world)
    await talk.say(`AUTH PLAIN ${PLAIN}`)
    for (const line of ['MAIL FROM:<>', 'RCPT TO:<b@c.test>']) await talk.say(line)
    world.policy = { ...policy, user: () => undefined }
    expect(await talk.say(content)).toMatch(/^530 5\.7\.0 /)
    expect(await talk.say('NOOP')).toMatch(/^(250|500) /)
  }
  expect(world.queue.accepted).toHaveLength(0)
})

test('a name that nobody has is not reported: it may be a password', async () => {
  await using world = await startWorld(LOOPBACK)
  await using talk = await greet(world)
  for (const name of ['user-secret-0815', 'x'.repeat(8000)])
    expect(await talk.say(`AUTH PLAIN ${b64(`\0${name}\0secret`)}`)).toMatch(/^535 /)
  const logins = world.events.filter(({ kind }) => kind === 'login')
  expect(logins).toHaveLength(2)
  for (const login of logins) expect(login).toMatchObject({ user: '(unknown)', ok: false })
  expect(JSON.stringify(world.events)).not.toMatch(/0815|xxx/)
})

test('a lock says in the log until when', async () => {
  const { ManualClock } = await import('../peers/clock.ts')
  const clock = new ManualClock()
  const throttle = new LoginThrottle(clock, () => Promise.resolve(false))
  for (let n = 0; n < 10; n++) {
    const wrong = throttle.login('127.0.0.1', 'ana', 'guess', ana)
    await new Promise((resolve) => setImmediate(resolve))
    clock.pass(10_000)
    await wrong
  }
  await using world = await startWorld({ ...LOOPBACK, throttle })
  await using talk = await greet(world)
  expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^454 4\.7\.0 /)
  const reason =
    /^locked out until 2026-01-01T00:16:30\.000Z, or a new password, after too many failures/
  expect(world.events).toContainEqual(
    expect.objectContaining({
      kind: 'login',
      user: 'ana',
      reason: expect.stringMatching(reason) as unknown,
    }),
  )
})

test('on loopback STARTTLS is offered only when that is asked for', async () => {
  await using world = await startWorld({ tls, startTls: false })
  await using talk = await world.dial()
  await talk.hear()
  expect(await talk.say('EHLO app.test')).not.toContain('STARTTLS')
  expect(await talk.say('STARTTLS')).toMatch(/^454 4\.7\.0 /)
  await using open = await startWorld({ tls, startTls: false, host: '0.0.0.0' })
  await using other = await open.dial()
  await other.hear()
  expect(await other.say('EHLO app.test')).toContain('STARTTLS')
})

test('a local program on a listener for all is told why its rule does not hold', async () => {
  const forbidden: [action: 'refuse' | 'authenticate', reply: string][] = [
    [
      'refuse',
      '550 5.7.1 Relaying is not allowed: the rule for loopback holds only on a listener ',
    ],
    ['authenticate', '530 5.7.0 Authentication required: the rule for loopback holds only on a '],
  ]
  for (const [action, reply] of forbidden) {
    const mayRelay: Policy['mayRelay'] = ({ listenerLoopback }) =>
      listenerLoopback ? { action: 'allow', at: 'relay.yaml:1' } : { action, at: 'relay.yaml:2' }
    await using world = await startWorld({ host: '0.0.0.0', policies: { mayRelay } })
    await using talk = await greet(world)
    const said = await talk.say('MAIL FROM:<ana@near.example>')
    expect(said.slice(0, reply.length)).toBe(reply)
    expect(said).toContain('WAYPOST_LISTEN=smtp://127.0.0.1:2525,smtp://0.0.0.0:25')
    expect(world.events).toContainEqual(expect.objectContaining({ kind: 'refused', reply: said }))
  }
})

const trouble = (world: World) =>
  world.events.flatMap((event) => (event.kind === 'note' ? [`${event.text}: ${event.cause}`] : []))

test('a client that leaves right after TLS is one line', async () => {
  await using world = await startWorld({ tls })
  await using talk = await greet(world)
  await talk.say('STARTTLS')
  await talk.startTls()
  await once(talk.socket, 'session') // which we send when the handshake is over
  talk.socket.destroy()
  await untilGone(world)
  expect(trouble(world)).toEqual([
    '127.0.0.1 left right after TLS, before any command: it may not trust our certificate: undefined',
  ])
})

test('a client that doubts our certificate and says nothing is one line, and gone at once', async () => {
  await using world = await startWorld({ tls })
  await using talk = await greet(world)
  await talk.say('STARTTLS')
  talk.socket.removeAllListeners('data')
  const doubting = connect({ socket: talk.socket, servername: 'relay.test' })
  await once(doubting, 'error')
  await untilGone(world)
  expect(trouble(world)).toHaveLength(1)
  expect(trouble(world)[0]).toContain('may not trust our certificate')
})

test('a client that leaves right after TLS from the first byte is one line', async () => {
  await using world = await startWorld({ scheme: 'submissions', tls, policies })
  await using talk = await world.dial({ tls: true })
  await talk.hear()
  talk.socket.destroy()
  await untilGone(world)
  expect(trouble(world)).toHaveLength(1)
  expect(trouble(world)[0]).toContain('left right after TLS')
})

test('a client that has said something under TLS leaves without a line', async () => {
  await using world = await startWorld({ tls })
  await using talk = await greet(world)
  await talk.say('STARTTLS')
  await talk.startTls()
  await talk.say('EHLO app.test')
  talk.socket.destroy()
  await untilGone(world)
  expect(trouble(world)).toEqual([])
})

for (const scheme of ['smtp', 'submissions'] as const)
  test(`Python, which does not trust us on ${scheme}, is one line that says so`, async () => {
    await using world = await startWorld({ scheme, tls, policies })
    const { port } = world.listener.address
    const program =
      scheme === 'smtp'
        ? `s = smtplib.SMTP('127.0.0.1', ${port}); s.starttls(context=ssl.create_default_context())`
        : `smtplib.SMTP_SSL('127.0.0.1', ${port}, context=ssl.create_default_context())`
    const child = spawn('python3', ['-c', `import smtplib, ssl; ${program}`], { stdio: 'ignore' })
    expect((await once(child, 'exit'))[0]).toBe(1)
    while (trouble(world).length === 0) await new Promise((resolve) => setImmediate(resolve))
    await world.listener.close(0)
    expect(trouble(world)).toEqual([
      'TLS handshake with 127.0.0.1 failed: the client does not trust our certificate (unknown ca)',
    ])
  })

async function untilGone(world: World): Promise<void> {
  const gone = () =>
    world.events.some((event) => event.kind === 'connection' && event.change === 'closed')
  while (!gone()) await new Promise((resolve) => setImmediate(resolve))
}

for (const bytes of ['', '\x16\x03\x01', 'no TLS at all'])
  test(`a handshake that ends in ${JSON.stringify(bytes)} is given up at its deadline`, async () => {
    const deadlines = { command: 200, message: 200, idle: 200, age: 200 }
    await using world = await startWorld({ tls, rules: { deadlines } })
    await using talk = await greet(world)
    await talk.say('STARTTLS')
    talk.write(bytes)
    await talk.untilClosed()
    await using other = await world.dial()
    expect(await other.hear()).toMatch(/^220 /)
  })

test('closing does not wait for handshakes', async () => {
  await using world = await startWorld({ scheme: 'submissions', tls, policies })
  await using silent = await world.dial()
  silent.write('\x16\x03\x01')
  await using starttls = await startWorld({ tls })
  await using talk = await greet(starttls)
  await talk.say('STARTTLS')
  talk.write('\x16\x03\x01')
  await Promise.all([world.listener.close(100), starttls.listener.close(100)])
})
