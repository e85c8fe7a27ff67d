// Applications that log in: over TLS from the first byte or after STARTTLS, as the users of
// users.yaml, with their own senders; and those who guess.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { createTransport } from 'nodemailer'
import { beforeAll, expect, test } from 'vitest'
import { hashPassword } from '../../src/policy/password.ts'
import { waypost } from '../admin/run.ts'
import { Talk } from '../listen/world.ts'
import { makeCertificate, type Certificate } from '../peers/certificate.ts'
import { startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay, type Relay, type RelayOptions } from '../peers/relay.ts'

const NAME = 'relay.near.example'
const PASSWORD = 'correct horse'
const PLAIN = plain('ana', PASSWORD)

let users: string
beforeAll(async () => {
  users = `ana: { password: '${await hashPassword(PASSWORD)}', senders: [near.example] }\n`
})

const LISTENERS = [
  ['submission', 'PLAIN'],
  ['submission', 'LOGIN'],
  ['submissions', 'PLAIN'],
  ['submissions', 'LOGIN'],
] as const
test('mail that is handed in after a login arrives, and says how it came', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using files = await writeCertificate(makeCertificate(NAME))
  await using relay = await startSubmission(files, { mx: { 'far.example': [mx] } })
  for (const [n, [scheme, method]] of LISTENERS.entries()) {
    const application = client(relay, scheme, method, files.certificate)
    await application.sendMail({ from: 'ana@near.example', to: 'bo@far.example', text: 'x' })
    expect(await relay.until('ended')).toMatchObject({ end: 'delivered' })
    expect(mx.taken[n]!.content.toString()).toMatch(/ with ESMTPSA id /)
    expect(await relay.until('login')).toMatchObject({ user: 'ana', ok: true })
  }
})

test('a user sends as its senders alone, in MAIL and in From', async () => {
  await using files = await writeCertificate(makeCertificate(NAME))
  await using relay = await startSubmission(files)
  const application = client(relay, 'submissions', 'PLAIN', files.certificate)
  const envelope = { from: 'ana@near.example', to: 'bo@far.example' }
  await expect(
    application.sendMail({ from: 'ana@far.example', to: 'bo@far.example', text: 'x' }),
  ).rejects.toThrow(/550 5\.7\.1 This user may not send as that sender/)
  await expect(
    application.sendMail({ from: 'ana@far.example', envelope, text: 'x' }),
  ).rejects.toThrow(/550 5\.7\.1 .*author/)
  expect(await relay.until('refused')).toMatchObject({ user: 'ana', rule: 'users.yaml:1' })
})

test('a password in clear is taken on loopback where the policy says so, and else nowhere', async () => {
  for (const [where, reply] of [
    ['never', /^538 5\.7\.11 /],
    ['loopback', /^235 2\.7\.0 /],
  ] as const) {
    await using relay = await startRelay({
      files: {
        'policies/users.yaml': users,
        'policies/relay.yaml': "- allow: { users: ['*'] }\n",
        'policies/listen.yaml': `auth-without-tls: ${where}\n`,
      },
    })
    await using talk = await greeted(relay)
    expect(await talk.say(`AUTH PLAIN ${PLAIN}`)).toMatch(reply)
  }
})

test('who guesses is locked out of AUTH for a while, and nobody else is', async () => {
  await using relay = await startRelay({
    files: {
      'policies/users.yaml': users,
      'policies/listen.yaml': 'auth-without-tls: loopback\n',
    },
  })
  for (let connection = 0; connection < 2; connection++) {
    await using talk = await greeted(relay)
    for (let guess = 0; guess < 5; guess++)
      expect(await patiently(relay, talk, `AUTH PLAIN ${plain('ana', 'x')}`)).toMatch(/^535 /)
    expect(await talk.hear()).toMatch(/^421 4\.7\.0 /)
  }
  await using guesser = await greeted(relay)
  expect(await guesser.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^454 4\.7\.0 /)
  expect(await guesser.say('MAIL FROM:<ana@near.example>')).toMatch(/^250 /)
  await using other = await greeted(relay, '127.0.0.2')
  expect(await other.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^235 /)

  relay.pass('16m')
  await using later = await greeted(relay)
  expect(await later.say(`AUTH PLAIN ${PLAIN}`)).toMatch(/^235 /)
})

test('a user that is added, and one that is removed, need no restart', async () => {
  await using relay = await startRelay({
    files: {
      'policies/relay.yaml': "- allow: { users: ['*'] }\n",
      'policies/listen.yaml': 'auth-without-tls: loopback\n',
    },
  })
  const words = 'user add bo --sender near.example --password-stdin'
  const added = await waypost(words, { config: relay.folder, input: `${PASSWORD}\n` })
  expect(added).toMatchObject({ code: 0 })
  await until(() => relay.real.policy().user('bo') !== undefined)
  await using talk = await greeted(relay)
  expect(await talk.say(`AUTH PLAIN ${plain('bo', PASSWORD)}`)).toMatch(/^235 /)
  expect(await talk.say('MAIL FROM:<bo@near.example>')).toMatch(/^250 /)
  await talk.say('RSET')

  expect(await waypost('user remove bo', { config: relay.folder })).toMatchObject({ code: 0 })
  await until(() => relay.real.policy().user('bo') === undefined)
  expect(await talk.say('MAIL FROM:<bo@near.example>')).toMatch(/^530 5\.7\.0 /)
})

test('a renewed certificate is served without a restart, a broken one is told and not used', async () => {
  await using files = await writeCertificate(makeCertificate(NAME))
  await using relay = await startSubmission(files)
  expect(await served(relay)).toBe(NAME)

  await files.write({ ...makeCertificate('renewed.near.example'), cert: 'half a certificate' })
  relay.pass('5s')
  const { text, cause } = await relay.until('note')
  expect(`${text}: ${cause}`).toMatch(/The certificate was not reloaded: Cannot use .*cert\.pem/)
  expect(await served(relay)).toBe(NAME)

  await files.write(makeCertificate('renewed.near.example'))
  relay.pass('5s')
  await until(async () => (await served(relay)) === 'renewed.near.example')
})

interface CertificateFiles extends AsyncDisposable {
  readonly certificate: Certificate
  readonly environment: Readonly<Record<string, string>>
  write(certificate: Certificate): Promise<void>
}

async function writeCertificate(certificate: Certificate): Promise<CertificateFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-tls-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const put = async (path: string, text: string): Promise<void> => {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  const write = async (pair: Certificate): Promise<void> => {
    await put(cert, pair.cert)
    await put(key, pair.key)
  }
  await write(certificate)
  const environment = { WAYPOST_TLS_CERT: cert, WAYPOST_TLS_KEY: key }
  const dispose = (): Promise<void> => rm(folder, { recursive: true })
  return { certificate, environment, write, [Symbol.asyncDispose]: dispose }
}

/** Listeners of all schemes, and nobody sends without a login. */
function startSubmission(files: CertificateFiles, options: RelayOptions = {}): Promise<Relay> {
  const listen = [
    'smtp://127.0.0.1:0?starttls',
    'submission://127.0.0.1:0',
    'submissions://127.0.0.1:0',
  ]
  return startRelay({
    ...options,
    files: { 'policies/users.yaml': users, 'policies/relay.yaml': "- allow: { users: ['*'] }\n" },
    environment: { ...files.environment, WAYPOST_LISTEN: listen.join(',') },
  })
}

function portOf(relay: Relay, scheme: string): number {
  return relay.real.status().listeners.find((listener) => listener.scheme === scheme)!.port
}

function client(relay: Relay, scheme: string, method: string, { ca }: Certificate) {
  return createTransport({
    host: '127.0.0.1',
    port: portOf(relay, scheme),
    secure: scheme === 'submissions',
    requireTLS: true,
    tls: { ca, servername: NAME },
    authMethod: method,
    auth: { user: 'ana', pass: PASSWORD },
  })
}

async function greeted(relay: Relay, localAddress = '127.0.0.1'): Promise<Talk> {
  const talk = new Talk(connect({ port: relay.port, host: '127.0.0.1', localAddress }))
  await talk.hear()
  await talk.say('EHLO app.example')
  return talk
}

/** While the relay makes it wait, time passes. */
async function patiently(relay: Relay, talk: Talk, line: string): Promise<string> {
  const hurry = setInterval(() => relay.pass('1s'), 20)
  try {
    return await talk.say(line)
  } finally {
    clearInterval(hurry)
  }
}

async function served(relay: Relay): Promise<unknown> {
  const port = portOf(relay, 'submissions')
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

function plain(user: string, password: string): string {
  return Buffer.from(`\0${user}\0${password}`).toString('base64')
}

function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  return expect.poll(holds).toBe(true)
}
