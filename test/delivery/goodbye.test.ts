// How connections end: what servers get to see of it, and for how long we wait for them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect as dial } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { connect } from '../../src/delivery/connect/connect.ts'
import { Dialogue } from '../../src/delivery/wire/dialogue.ts'
import { TIMEOUTS } from '../../src/delivery/wire/timeouts.ts'
import { createTlsContexts, secure } from '../../src/delivery/connect/tls.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { ManualClock } from '../peers/clock.ts'
import { startMx } from '../peers/mx.ts'
import type { Script } from '../peers/mx.ts'

const certificate = makeCertificate('mx.far.example')

/** A server that ends its side only when the test says so. */
async function startSlow(): Promise<{ port: number; session: Promise<Socket> } & Disposable> {
  const server = createServer({ allowHalfOpen: true })
  const session = once(server, 'connection').then(([socket]) => (socket as Socket).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    server.close()
    ;(await session).destroy()
  }
  return { port, session, [Symbol.dispose]: () => void close() }
}

async function talkTo(port: number, clock = new ManualClock()): Promise<Dialogue> {
  const socket = dial({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  return new Dialogue(socket, clock, TIMEOUTS)
}

/** What a promise has come to by now. */
async function now(promise: Promise<void>): Promise<'over' | 'waits'> {
  const waits = new Promise<'waits'>((resolve) => setImmediate(resolve, 'waits'))
  return Promise.race([promise.then(() => 'over' as const), waits])
}

test('a connection is closed when the server has ended its side too', async () => {
  using server = await startSlow()
  const dialogue = await talkTo(server.port)
  const session = await server.session
  const goodbye = dialogue.quit()
  session.write('221 bye\r\n')
  await once(session, 'end')
  expect(await now(goodbye)).toBe('waits')
  session.end()
  await goodbye
  await dialogue.closed
})

test('a server that never ends its side has two seconds for it', async () => {
  using server = await startSlow()
  const clock = new ManualClock()
  const dialogue = await talkTo(server.port, clock)
  const session = await server.session
  dialogue.stop('That was all')
  await once(session, 'end')
  clock.pass(1999)
  expect(await now(dialogue.closed)).toBe('waits')
  clock.pass(1)
  await dialogue.closed
})

test('a server that has closed, or cannot be reached any more, is not waited for', async () => {
  using server = await startSlow()
  const clock = new ManualClock()
  const silent = await talkTo(server.port, clock)
  const answer = silent.nextReply('greeting')
  clock.pass(TIMEOUTS.greeting)
  expect(await answer).toMatchObject({ kind: 'timeout' })
  await silent.closed
  using other = await startSlow()
  const left = await talkTo(other.port)
  const reply = left.nextReply('greeting')
  ;(await other.session).end()
  expect(await reply).toMatchObject({ kind: 'closed' })
  await left.closed
})

test('what is said after our end is not kept, and costs two seconds at most', async () => {
  using server = await startSlow()
  const clock = new ManualClock()
  const dialogue = await talkTo(server.port, clock)
  const session = await server.session
  dialogue.stop('That was all')
  session.on('error', () => {})
  const lines = Buffer.alloc(1_000_000, '250-x\r\n')
  await new Promise((resolve) => session.write(lines, resolve))
  clock.pass(2000)
  await dialogue.closed
  expect(dialogue.unasked).toBeUndefined()
})

const FAILURES: [what: string, script: Script][] = [
  ['a greeting of 554', { greeting: '554 5.7.1 not you' }],
  ['an EHLO that is refused for now', { EHLO: '451 4.3.0 later' }],
  ['TLS that is not there and was asked for', {}],
  ['STARTTLS that is refused', { certificate, STARTTLS: '454 4.7.0 not now' }],
  ['a password that is refused', { certificate, offers: ['AUTH PLAIN'], AUTH: '535 5.7.8 no' }],
  ['no mechanism of AUTH that we know', { certificate, offers: ['AUTH GSSAPI'] }],
]
for (const [what, script] of FAILURES) {
  test(`after ${what} we say QUIT`, async () => {
    await using mx = await startMx(script)
    const connected = await connect(
      {
        host: 'mx.far.example',
        address: mx.address,
        port: mx.port,
        tls: 'verified',
        login: { user: 'me', secret: 'SMART' },
        credentials: { user: 'me', password: 'secret' },
      },
      {
        helloName: 'near.example',
        clock: systemClock,
        signal: new AbortController().signal,
        tls: createTlsContexts([certificate.ca]),
      },
    )
    expect(connected.kind).toBe('failed')
    expect(mx.heard.at(-1)).toBe('QUIT')
    await mx.until(() => mx.open === 0)
  })
}

const ENDS: [how: string, end: (dialogue: Dialogue) => unknown][] = [
  ['stopped', (dialogue) => dialogue.stop('That was all')],
  ['garbled', (dialogue) => dialogue.giveUp('That made no sense')],
  ['cut', (dialogue) => dialogue.destroy()],
]
for (const [how, end] of ENDS) {
  test(`over TLS openssl is told of the end (${how})`, async () => {
    await using server = await startOpenssl()
    const socket = dial({ host: '127.0.0.1', port: server.port })
    await once(socket, 'connect')
    const target = {
      host: 'mx.far.example',
      address: '127.0.0.1',
      port: 25,
      tls: 'required',
    } as const
    const limit = { clock: systemClock, milliseconds: 5000, signal: new AbortController().signal }
    const secured = await secure(socket, target, createTlsContexts(), limit)
    if (secured.kind !== 'secured') throw new Error(secured.text)
    end(new Dialogue(secured.socket, systemClock, TIMEOUTS))
    await server.until('<<< TLS 1.3, Alert [length 0002], warning close_notify')
  })
}

interface Openssl extends AsyncDisposable {
  readonly port: number
  /** Resolves with a line like this; rejects when the server ends without. */
  until(text: string): Promise<string>
}

async function startOpenssl(): Promise<Openssl> {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-openssl-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const pair = ['-cert', file('cert', certificate.cert), '-key', file('key', certificate.key)]
  const server = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', '-msg', ...pair])
  const lines = createInterface(server.stdout)[Symbol.asyncIterator]()
  const until = async (text: string): Promise<string> => {
    for (let line = await lines.next(); line.done !== true; line = await lines.next())
      if (line.value.includes(text)) return line.value
    throw new Error(`openssl never said "${text}"`)
  }
  const port = Number(/:(\d+)$/.exec(await until('ACCEPT '))?.[1])
  return {
    port,
    until,
    async [Symbol.asyncDispose]() {
      const gone = once(server, 'exit')
      server.kill()
      await gone
      rmSync(folder, { recursive: true })
    },
  }
}
