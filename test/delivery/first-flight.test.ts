// The first flight of TLS: small enough for every box on the way, whoever the server is. Where it is
// lost all the same, opportunistic mail finds that out once.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, connect as dial } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Clock } from '../../src/base/clock.ts'
import { systemAuthorities } from '../../src/delivery/connect/authorities.ts'
import { connect } from '../../src/delivery/connect/connect.ts'
import { FailedTls } from '../../src/delivery/connect/failed-tls.ts'
import type { Connected, Connection, Target } from '../../src/delivery/connection.ts'
import { createTlsContexts, secure } from '../../src/delivery/connect/tls.ts'
import type { TlsContexts } from '../../src/delivery/connect/tls.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { connectionTo } from '../../src/queue/bullmq/link/link.ts'
import { openBucket } from '../../src/queue/bullmq/s3/bucket.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { startMx } from '../peers/mx.ts'
import type { Script } from '../peers/mx.ts'

const certificate = makeCertificate('mx.far.example')

const open: Connection[] = []
afterEach(() => {
  vi.unstubAllEnvs()
  for (const connection of open.splice(0)) connection.destroy()
})

/** The first bytes that a client sends here. */
async function firstFlight(call: (port: number) => unknown): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const arrived = once(server, 'connection')
  call((server.address() as AddressInfo).port)
  const [socket] = (await arrived) as [TLSSocket]
  socket.on('error', () => {})
  const [flight] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  server.close()
  return flight
}

async function handshake(port: number, target: Partial<Target> = {}): Promise<void> {
  const socket = dial({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const whole = { host: 'mx.far.example', address: '127.0.0.1', port, ...target } as Target
  const signal = new AbortController().signal
  await secure(socket, whole, createTlsContexts(), {
    clock: systemClock,
    milliseconds: 5000,
    signal,
  })
}

const S3 = { bucket: 'mail', prefix: '', region: 'nowhere-1' }
const CLIENTS: [who: string, call: (port: number) => unknown][] = [
  ['opportunistic TLS', (port) => handshake(port, { tls: 'opportunistic' })],
  ['verified TLS', (port) => handshake(port, { tls: 'verified' })],
  [
    'Redis',
    (port) => {
      const redis = connectionTo(readAddress(`rediss://127.0.0.1:${port}/0`), 'test')
      redis.on('error', () => redis.disconnect())
      redis.connect().catch(() => {})
    },
  ],
  [
    'an object store',
    (port) => {
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'me')
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
      openBucket({ ...S3, endpoint: `https://127.0.0.1:${port}` }, 'q').catch(() => {})
    },
  ],
]
for (const [who, call] of CLIENTS) {
  test(`the first flight to ${who} fits into one segment, post-quantum on offer`, async () => {
    const flight = await firstFlight(call)
    expect(flight[0]).toBe(22) // handshake
    expect(flight.length).toBeLessThan(600)
    expect(flight.includes(Buffer.from([0x11, 0xec]))).toBe(true) // X25519MLKEM768 (4588)
  })
}

test('a server that wants the post-quantum group asks for its share, and gets it', async () => {
  const server = createServer((plain) => {
    const options = { isServer: true, ecdhCurve: 'X25519MLKEM768', ...certificate }
    new TLSSocket(plain, options).on('error', () => plain.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = dial({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const target = { host: 'mx.far.example', address: '127.0.0.1', port, tls: 'required' } as const
  const limit = { clock: systemClock, milliseconds: 5000, signal: new AbortController().signal }
  const secured = await secure(socket, target, createTlsContexts(), limit)
  expect(secured).toMatchObject({ kind: 'secured', fact: { version: 'TLSv1.3' } })
  socket.destroy()
  server.close()
})

interface Caller {
  readonly tls: TlsContexts
  readonly clock: Clock
}

/** What takes time takes as long as the test says; only what is awaited is real. */
function startCaller(): Caller & { pass(milliseconds: number): void } {
  let passed = 0
  return {
    tls: createTlsContexts([certificate.ca]),
    clock: { ...systemClock, steady: () => passed },
    pass: (milliseconds) => {
      passed += milliseconds
    },
  }
}

async function call(
  caller: Caller,
  mx: { readonly address: string; readonly port: number },
  change: Partial<Target> = {},
): Promise<Connected> {
  const { address, port } = mx
  const connected = await connect(
    { host: 'mx.far.example', address, port, tls: 'opportunistic', ...change },
    {
      helloName: 'near.example',
      signal: new AbortController().signal,
      timeouts: { handshake: 100 },
      ...caller,
    },
  )
  if (connected.kind === 'connected') open.push(connected.connection)
  return connected
}

test('where TLS was lost the next connections go in clear at once, and say so', async () => {
  const caller = startCaller()
  await using mx = await startMx(lostIn(60_000, caller))
  await call(caller, mx)
  expect(mx.sessions).toBe(2)
  caller.pass(599_000)
  const next = await call(caller, mx)
  expect(mx.sessions).toBe(3)
  if (next.kind !== 'connected') throw new Error('expected a connection')
  const { notes, tlsFailed } = next.connection.fact
  expect(notes[0]).toMatch(/^TLS with .* failed a short while ago \(.*in time\), went on in clear$/)
  expect(tlsFailed).toContain('in time')
})

// No certificate: what the client says after the 220 is read as commands, and never understood.
function lostIn(milliseconds: number, caller: { pass(milliseconds: number): void }): Script {
  const answer = (): string => {
    caller.pass(milliseconds)
    return '220 go'
  }
  return { offers: ['STARTTLS', 'AUTH PLAIN'], STARTTLS: [answer, '220 go'] }
}

test.for([
  ['after ten minutes', 60_000, 601_000],
  ['soon when it failed soon', 100, 1001],
] as const)('TLS is tried again %s', async ([, cost, later]) => {
  const caller = startCaller()
  await using mx = await startMx(lostIn(cost, caller))
  await call(caller, mx)
  caller.pass(later)
  mx.change({ certificate, offers: [] })
  const next = await call(caller, mx)
  expect(next).toMatchObject({ connection: { fact: { tls: { version: 'TLSv1.3' } } } })
})

const LOGIN = { user: 'me', secret: 'SMART', withoutVerification: true }
const credentials = { user: 'me', password: 'secret' }
const STRICT: [what: string, change: Partial<Target>][] = [
  ['required TLS', { tls: 'required' }],
  ['verified TLS', { tls: 'verified' }],
  ['a login', { login: LOGIN, credentials }],
]
for (const [what, change] of STRICT) {
  test(`for ${what} nothing is remembered`, async () => {
    const caller = startCaller()
    await using mx = await startMx(lostIn(60_000, caller))
    await call(caller, mx)
    mx.change({ certificate, offers: ['AUTH PLAIN'] })
    const next = await call(caller, mx, change)
    expect(next).toMatchObject({ kind: 'connected', connection: { fact: { tls: {} } } })
  })
}

test('what failed at one place says nothing of another', async () => {
  const caller = startCaller()
  await using mx = await startMx(lostIn(60_000, caller))
  await using other = await startMx({ certificate })
  await call(caller, mx)
  expect(await call(caller, other)).toMatchObject({ connection: { fact: { tls: {} } } })
})

test('it is remembered for ten times what it cost, and ten minutes at most', () => {
  const failed = new FailedTls()
  failed.remember('quick', 'reset', 0, 5)
  failed.remember('slow', 'lost', 0, 20_000)
  failed.remember('slowest', 'lost', 0, 1_000_000)
  const at = (now: number): (string | undefined)[] =>
    ['quick', 'slow', 'slowest'].map((place) => failed.recall(place, now))
  expect(at(49)).toEqual(['reset', 'lost', 'lost'])
  expect(at(50)).toEqual([undefined, 'lost', 'lost'])
  expect(at(200_000)).toEqual([undefined, undefined, 'lost'])
  expect(at(600_000)).toEqual([undefined, undefined, undefined])
})

test('a thousand places are remembered, and the oldest gives way', () => {
  const failed = new FailedTls()
  for (let n = 0; n <= 1000; n++) failed.remember(`place ${n}`, 'reset', 0, 1000)
  expect(failed.recall('place 0', 1)).toBeUndefined()
  expect(failed.recall('place 1', 1)).toBe('reset')
  expect(failed.recall('place 1000', 1)).toBe('reset')
})

test('whom the system trusts counts for verified TLS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-authorities-'))
  const file = join(folder, 'bundle.crt')
  writeFileSync(file, `# Ours\n${certificate.ca}\n`)
  const authorities = systemAuthorities(['/nowhere/bundle.crt', file])
  rmSync(folder, { recursive: true })
  expect(authorities?.length).toBeGreaterThan(100)
  await using mx = await startMx({ certificate })
  const caller = { ...startCaller(), tls: createTlsContexts(authorities) }
  expect(await call(caller, mx, { tls: 'verified' })).toMatchObject({ kind: 'connected' })
})

test('a system without authorities of its own adds none', () => {
  expect(systemAuthorities(['/nowhere/bundle.crt'])).toBeUndefined()
})
