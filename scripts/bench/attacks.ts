// What each attack on the listener costs a good client, the memory and the log. A good client may
// send, and hands in one message of 4 KB each 0.2 s over a connection of its own; beside it the same
// client talks to an idle relay (control), so that the load of the machine can be told apart.

import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { hashPassword } from '../../src/policy/password.ts'
import { makeCertificate } from '../../test/peers/certificate.ts'
import type { Attack } from './attacker.ts'
import { openFolder } from './programs.ts'
import { startRelay, type Relay } from './relay.ts'

/** May send by a rule; the strangers may not. */
const GOOD = '127.0.1.1'
const ALLOWED = '127.0.1.2'
const STRANGER = ['127.0.2.1']
const TEN = Array.from({ length: 10 }, (_, n) => `127.0.2.${n + 1}`)
const PACE = 200
const SECONDS = 8
const MEGABYTES = 1e6

const HELLO = 'EHLO a\r\n'
const guess = Buffer.from('\0victim\0guess').toString('base64')
const CHUNKS = `${HELLO}MAIL FROM:<a@b.test>\r\nRCPT TO:<c@dest.test>\r\n`
const many = Array.from({ length: 10_000 }, (_, n) => `RCPT TO:<r${n}@dest.test>\r\n`).join('')
const ehlo = { addresses: STRANGER, opening: '', line: HELLO }
const names = { addresses: STRANGER, opening: HELLO, line: 'AUTH PLAIN {n}\r\n', inStep: true }
const chunks = { addresses: [ALLOWED], opening: CHUNKS, line: 'BDAT 1\r\nx' }

const ATTACKS: Record<string, Attack & { readonly login?: boolean }> = {
  none: { connections: 0, addresses: STRANGER, opening: '' },
  '2,000 connections of 10 strangers': { connections: 2000, addresses: TEN, opening: HELLO },
  'EHLO, 20 connections': { ...ehlo, connections: 20 },
  'EHLO, 200 connections, 2 MB/s': { ...ehlo, connections: 200, rate: 2 * MEGABYTES },
  'EHLO over TLS, 20 connections': { ...ehlo, connections: 20, tls: true },
  'EHLO unread, 200': { ...ehlo, connections: 200, unread: true },
  'EHLO unread, 1,000 of ten': { ...ehlo, addresses: TEN, connections: 1000, unread: true },
  'EHLO unread, 2,000 of ten': { ...ehlo, addresses: TEN, connections: 2000, unread: true },
  'EHLO of one that may send, unread, 200': {
    ...ehlo,
    addresses: [ALLOWED],
    connections: 200,
    unread: true,
  },
  'NOOP, 20 connections': { ...ehlo, connections: 20, opening: HELLO, line: 'NOOP\r\n' },
  'refused MAIL, 20 connections, 2 MB/s': {
    ...ehlo,
    connections: 20,
    opening: HELLO,
    line: 'MAIL FROM:<a@x.example>\r\n',
    rate: 2 * MEGABYTES,
  },
  'garbage, 20 connections': { ...ehlo, connections: 20, line: 'xyzzy 12345\r\n' },
  'AUTH of random names, 60': { ...names, connections: 60, login: true },
  'AUTH of random names, 120': { ...names, connections: 120, login: true },
  'AUTH of random names, 200': { ...names, connections: 200, login: true },
  'AUTH of one name, 200': { ...names, connections: 200, line: `AUTH PLAIN ${guess}\r\n` },
  'BDAT of one byte, 1 that may send': { ...chunks, connections: 1 },
  'BDAT of one byte, 50 that may send': { ...chunks, connections: 50 },
  '10,000 RCPT at once, of one that may send': {
    connections: 3,
    addresses: [ALLOWED],
    opening: `${HELLO}MAIL FROM:<a@b.test>\r\n${many}QUIT\r\n`,
    once: true,
  },
}

export async function measureAttacks(chosen: string | undefined): Promise<void> {
  await using folder = await openFolder()
  await using sink = await startSink()
  const options = await optionsFor(sink.port, folder.path)
  await using control = await startRelay(options('control'))
  console.log(
    '  attack | good client: median, worst (failed of) | control | RSS before, peak | log, connections',
  )
  for (const [name, attack] of Object.entries(ATTACKS)) {
    if (chosen !== undefined && !name.includes(chosen)) continue
    const log = join(folder.path, 'log')
    await using relay = await startRelay({ ...options(log), tls: attack.tls === true })
    await measure(name, attack, { relay, control, log })
  }
}

interface Sides {
  readonly relay: Relay
  readonly control: Relay
  readonly log: string
}

async function measure(
  name: string,
  attack: Attack & { readonly login?: boolean },
  { relay, control, log }: Sides,
): Promise<void> {
  const target = attack.tls === true ? relay.tlsPort! : relay.port
  await Promise.all([sendFor(relay.port, 1), sendFor(control.port, 1)])
  const before = relay.memory()
  const started = statSync(log).size
  const worker = new Worker(new URL('./attacker.ts', import.meta.url), {
    workerData: { port: target, attack },
  })
  await wait(500)
  const [good, idle] = await Promise.all([
    sendFor(relay.port, SECONDS, attack.login === true),
    sendFor(control.port, SECONDS, attack.login === true),
  ])
  worker.postMessage('end')
  const [{ opened }] = (await once(worker, 'message')) as [{ opened: number }]
  await once(worker, 'exit')
  const peak = peakOf(relay.pid)
  const mega = (bytes: number): string => (bytes / 1e6).toFixed(0)
  console.log(
    `  ${name} | ${told(good)} | ${told(idle)} | ${mega(before)}, ${mega(peak)} MB | ${((statSync(log).size - started) / 1e6).toFixed(2)} MB, ${opened}`,
  )
}

function told(times: readonly (number | undefined)[]): string {
  const taken = times.filter((time) => time !== undefined).toSorted((a, b) => a - b)
  const failed = times.length - taken.length
  if (taken.length === 0) return `none of ${times.length}`
  const failures = failed === 0 ? '' : ` (${failed} of ${times.length})`
  return `${taken[taken.length >> 1]!.toFixed(1)}, ${taken.at(-1)!.toFixed(0)} ms${failures}`
}

/** Milliseconds of each message, from the call to its 250; `undefined` for one that was not taken. */
async function sendFor(
  port: number,
  seconds: number,
  login = false,
): Promise<(number | undefined)[]> {
  const sent: Promise<number | undefined>[] = []
  for (let n = 0; n < (seconds * 1000) / PACE; n++) {
    sent.push(sendOne(port, n, login))
    await wait(PACE)
  }
  const late = wait(5000, undefined)
  return Promise.all(sent.map((one) => Promise.race([one, late])))
}

const BODY = `From: a@app.test\r\nSubject: bench\r\n\r\n${`${'x'.repeat(78)}\r\n`.repeat(50)}.`
const MAIL = ['MAIL FROM:<a@app.test>', 'RCPT TO:<b@dest.test>', 'DATA', BODY]

// A login is each time another user's, so that none is remembered.
function sendOne(port: number, n: number, login: boolean): Promise<number | undefined> {
  const start = performance.now()
  const word = Buffer.from(`\0user${n % USERS}\0secret${n % USERS}`).toString('base64')
  const lines = ['EHLO good.test', ...(login ? [`AUTH PLAIN ${word}`] : []), ...MAIL]
  const localAddress = login ? '127.0.3.1' : GOOD
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  let rest = ''
  const end = (time: number | undefined): void => {
    resolve(time)
    socket.destroy()
  }
  socket.setEncoding('latin1').on('data', (text: string) => {
    rest += text
    const reply = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n$/.exec(rest)
    if (reply === null) return
    rest = ''
    const line = lines.shift()
    if (!/^[23]/.test(reply[1]!)) return end(undefined)
    if (line === undefined) return end(performance.now() - start)
    socket.write(`${line}\r\n`)
  })
  socket.on('error', () => end(undefined)).on('close', () => end(undefined))
  return promise
}

const USERS = 64

async function optionsFor(hop: number, folder: string) {
  const users: string[] = []
  for (let n = 0; n < USERS; n++)
    users.push(
      `user${n}: { password: '${await hashPassword(`secret${n}`)}', senders: [app.test] }\n`,
    )
  const policies = {
    'policies/relay.yaml': "- allow: { clients: [127.0.1.0/24] }\n- allow: { users: ['*'] }\n",
    'policies/listen.yaml': 'auth-without-tls: loopback\n',
    'policies/users.yaml': users.join(''),
  }
  const certificate = makeCertificate('relay.bench.test')
  return (log: string) => ({
    hop,
    policies,
    certificate,
    log: log.includes('/') ? log : join(folder, log),
    environment: { WAYPOST_LOG: 'json' },
  })
}

function peakOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(text)![1]) * 1024
}

/** Takes all mail, and looks at none of it. */
async function startSink(): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ noDelay: true }, (socket) => {
    let content = false
    let rest = ''
    socket.setEncoding('latin1').write('220 sink\r\n')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      rest += text
      for (;;) {
        const end = rest.indexOf(content ? '\r\n.\r\n' : '\r\n')
        if (end === -1) return
        const line = rest.slice(0, end)
        rest = rest.slice(end + (content ? 5 : 2))
        content = !content && line === 'DATA'
        socket.write(content ? '354 go on\r\n' : '250 ok\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}
