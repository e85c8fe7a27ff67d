// What a queue costs by itself: messages of 4 KB are accepted, taken and settled through its port, each
// durable. `node scripts/bench/queue.ts [lanes] [messages] [at once] [sqlite or bullmq] [no, end or all]`: the last
// says whether somebody reads the history meanwhile, at its end or all of it from the start, again and again.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { systemClock } from '../../src/base/clock.ts'
import { parseAddress } from '../../src/mail/address.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Since } from '../../src/queue/port/history.ts'
import type { NewMail } from '../../src/queue/port/intake.ts'
import type { Delivery, Lease, Settlement } from '../../src/queue/port/outflow.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import type { Report } from '../../src/mail/event.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { startRedis } from '../../test/peers/redis.ts'

const [lanes = 1, messages = 40_000, atOnce = 40] = process.argv.slice(2, 5).map(Number)
const engine = process.argv[5] ?? 'sqlite'
const reading = process.argv[6] ?? 'no'

let [commits, milliseconds] = [0, 0]
const report: Report = (event) => {
  if (event.kind !== 'committed') return
  commits++
  milliseconds += event.milliseconds
}
await using parts = new AsyncDisposableStack()
const { queue, serverCpu } = engine === 'sqlite' ? await openEmbedded() : await openInRedis()

const all = process.cpuUsage()
const here = process.threadCpuUsage()
const start = performance.now()
const done = new AbortController()
const reader = reading === 'no' ? Promise.resolve(0) : readHistory(queue, reading === 'all')
await Promise.all([sendAll(queue), deliverAll(queue)])
const seconds = (performance.now() - start) / 1000
const mine = perMessage(process.threadCpuUsage(here))
const total = perMessage(process.cpuUsage(all))
done.abort()
const figures = {
  engine,
  lanes,
  'facts read': await reader,
  'messages/s': Math.round(messages / seconds),
  'CPU µs a message, this thread with the bench': mine,
  'CPU µs a message, other threads': total - mine,
  'CPU µs a message, Redis': Math.round(((await serverCpu()) * 1e6) / messages),
  'messages a commit': Math.round(messages / commits),
  'ms a commit': Number((milliseconds / commits).toFixed(2)),
}
process.stdout.write(`${JSON.stringify(figures)}\n`)

interface Opened {
  readonly queue: Queue
  /** Seconds. */
  readonly serverCpu: () => Promise<number>
}

async function openEmbedded(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-bench-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const opened = parts.use(await openSqliteQueue({ folder, clock: systemClock, report }))
  return { queue: opened, serverCpu: async () => 0 }
}

async function openInRedis(): Promise<Opened> {
  const server = parts.use(await startRedis())
  const client = await server.client()
  parts.defer(() => client.disconnect())
  const about = () => ({ name: 'bench', hostname: 'bench.test', sources: [], listeners: [] })
  const opened = parts.use(
    await openBullmqQueue({
      address: readAddress(server.url),
      clock: systemClock,
      report,
      wish: { replicas: 0, relaxed: false },
      about: () => ({ ...about(), roles: ['listen', 'deliver'] }),
    }),
  )
  return {
    queue: opened,
    async serverCpu() {
      const info = await client.info('cpu')
      if (process.env['STATS'] !== undefined)
        process.stdout.write(await client.info('commandstats'))
      const read = (name: string): number =>
        Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)![1])
      return read('used_cpu_user') + read('used_cpu_sys')
    },
  }
}

function perMessage({ user, system }: { user: number; system: number }): number {
  return Math.round((user + system) / messages)
}

async function sendAll(queue: Queue): Promise<void> {
  let sent = 0
  const sender = async (): Promise<void> => {
    while (sent++ < messages) await queue.accept(await mailOf(queue, sent % lanes))
  }
  await Promise.all(Array.from({ length: atOnce }, sender))
}

async function mailOf(queue: Queue, lane: number): Promise<NewMail> {
  const id = queue.newId()
  const at = Date.now()
  const content = await queue.store(id, Buffer.alloc(4096, 'x'))
  const address = parseAddress(`u${at % 100_000}@far${lane}.example`)!
  const destination = address.domain as string as Destination
  return {
    id,
    at,
    content,
    envelope: {
      sender: parseAddress('ana@near.example')!,
      recipients: [{ address }],
      submitter: { client: '127.0.0.1', hello: 'me', protocol: 'ESMTP', rule: 'relay.yaml:3' },
      size: 4096,
      eightBit: false,
      smtpUtf8: false,
      fromDomains: [],
    },
    deliveries: [
      {
        destination,
        queue: 'default',
        rule: 'routing.yaml:4',
        priority: 10,
        recipients: [0],
        due: at,
        expireAt: at + 432_000_000,
        warnAt: at + 14_400_000,
      },
    ],
  }
}

/** How many facts it was told. */
async function readHistory(queue: Queue, all: boolean): Promise<number> {
  let [told, since]: [number, Since] = [0, 'newest']
  while (!done.signal.aborted) {
    const found = await queue.changes(since, 100)
    if (found.kind === 'gone') throw new Error('The history is gone')
    told += found.changes.length
    since = { cursor: found.cursor }
    if (found.changes.length > 0) continue
    if (all) since = 'oldest'
    await setTimeout(250)
  }
  return told
}

/** Claims and draws as the dispatcher does, with a server that says yes at once. */
async function deliverAll(queue: Queue): Promise<void> {
  let [active, delivered, claiming, again] = [0, 0, false, false]
  const { promise, resolve } = Promise.withResolvers<void>()
  const draw = async (lease: Lease): Promise<void> => {
    let taken = await queue.take(lease)
    while (taken.kind === 'delivery') {
      taken = (await queue.settle(taken.delivery, settlementOf(taken.delivery), lease))!
      delivered++
    }
    await queue.release(lease)
    active--
    if (delivered === messages) resolve()
    else wake()
  }
  const claim = async (): Promise<void> => {
    claiming = true
    again = false
    const leases = await queue.claim(atOnce - active)
    claiming = false
    active += leases.length
    for (const lease of leases) void draw(lease)
    if (leases.length > 0 || again) wake()
  }
  const wake = (): void => {
    if (claiming) again = true
    else if (active < atOnce) void claim()
  }
  queue.onWake(wake)
  await promise
}

function settlementOf({ recipients }: Delivery): Settlement {
  const at = Date.now()
  const reply = { code: 250, status: '2.0.0', text: 'Ok: queued as 4bX1Yz' }
  const outcome = {
    kind: 'delivered',
    stage: 'dot',
    scope: 'message',
    by: 'server',
    reply,
  } as const
  return {
    at,
    attempt: { startedAt: at, endedAt: at, host: 'mx.far.example', address: '192.0.2.1', port: 25 },
    results: recipients.map(({ n }) => ({
      n,
      outcome,
      verdict: { kind: 'end', end: 'delivered' },
    })),
  }
}
