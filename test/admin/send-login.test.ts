// `waypost send --user` against real listeners: STARTTLS, implicit TLS and AUTH.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startSink, type Sink } from '../../src/sink/sink.ts'
import { startRelay, type Relay } from '../../src/main.ts'
import { realWorld } from '../../src/start/world.ts'
import { readSettings } from '../../src/settings/settings.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { waypost, type Run } from './run.ts'

const PASSWORD = 'correct horse'

let folder = ''
let sink: Sink
let relay: Relay | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-login-'))
  sink = await startSink({ host: '127.0.0.1', port: 0 })
  await mkdir(join(folder, 'policies'))
  await mkdir(join(folder, 'queues'))
  const hop = `{ host: 127.0.0.1, port: ${sink.port}, tls: none }`
  const { key, cert } = makeCertificate('relay.example')
  const files = {
    'policies/relay.yaml': "- allow: { users: ['*'] }\n",
    'policies/routing.yaml': `- { to: ['*'], via: ${hop} }\n`,
    'queues/default.yaml': 'priority: 10\n',
    'cert.pem': cert,
    'key.pem': key,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const words = 'user add billing --sender relay.example --password-stdin'
  expect((await waypost(words, { config: folder, input: PASSWORD })).code).toBe(0)
})

afterEach(async () => {
  await relay?.[Symbol.asyncDispose]()
  relay = undefined
})

afterAll(async () => {
  await sink[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

// On loopback STARTTLS is offered only then.
function asked(scheme: string): string {
  return scheme === 'smtp' ? '?starttls' : ''
}

async function listenOn(schemes: readonly string[], tls = true): Promise<void> {
  const certificate = {
    WAYPOST_TLS_CERT: join(folder, 'cert.pem'),
    WAYPOST_TLS_KEY: join(folder, 'key.pem'),
  }
  const settings = readSettings({
    WAYPOST_CONFIG: folder,
    WAYPOST_DATA: join(folder, 'data'),
    WAYPOST_LISTEN: schemes.map((scheme) => `${scheme}://127.0.0.1:0${asked(scheme)}`).join(','),
    WAYPOST_HOSTNAME: 'relay.example',
    WAYPOST_ADMIN: 'none',
    WAYPOST_LOG: 'off',
    ...(tls ? certificate : {}),
  })
  relay = await startRelay(settings, { ...realWorld, terminal: false })
}

function send(password: string, ...words: string[]): Promise<Run> {
  const login = ['--user', 'billing', '--password-stdin', '--wait', '15s']
  const world = { data: join(folder, 'data'), config: folder, input: password }
  return waypost(['send', 'bo@far.example', ...login, ...words], world)
}

const ways: [what: string, schemes: string[]][] = [
  ['a listener with implicit TLS', ['submissions']],
  ['a submission listener, by STARTTLS', ['submission']],
  ['the listener for users, where there is one for others too', ['smtp', 'submission']],
  ['an smtp listener with a certificate, by STARTTLS', ['smtp']],
]
for (const [what, schemes] of ways) {
  test(`a user sends by ${what}`, async () => {
    await listenOn(schemes)
    const sent = await send(PASSWORD)
    expect(sent).toMatchObject({ code: 0, err: '' })
    expect(sent.out).toContain('user billing with ESMTPSA, allowed by relay.yaml:1')
  })
}

test('a wrong password and a sender of somebody else are told word for word', async () => {
  await listenOn(['submissions'])
  const wrong = await send('wrong horse')
  expect(wrong.code).toBe(1)
  expect(wrong.err).toMatch(/^waypost: The relay answered AUTH PLAIN with "535 5\.7\.8 .*"\n$/)
  const other = await send(PASSWORD, '--from', 'ana@other.example')
  expect(other.err).toMatch(/answered MAIL FROM:<ana@other\.example> with "550 5\.7\.1 /)
})

test('without a user, a relay for users only says what to add', async () => {
  await listenOn(['submissions'])
  const world = { data: join(folder, 'data'), config: folder }
  const { code, err } = await waypost('send bo@far.example', world)
  expect(code).toBe(1)
  expect(err).toBe('waypost: The relay takes mail only from users: add --user NAME\n')
})

test('a password does not go out in clear', async () => {
  await listenOn(['smtp'], false)
  const { code, err } = await send(PASSWORD)
  expect(code).toBe(1)
  expect(err).toContain('offers no TLS to log in under: set WAYPOST_TLS_CERT and WAYPOST_TLS_KEY')
})
