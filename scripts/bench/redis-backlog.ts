// A million messages in Redis for a dead destination: what one costs in memory, what finding some of them
// takes, and the rate to 500 other destinations beside them.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startDns, type Zone } from '../../test/peers/dns.ts'
import { startRedis, type RedisServer } from '../../test/peers/redis.ts'
import { byMx, zone } from './destinations.ts'
import { startSink, until, type Sink } from './programs.ts'
import { median } from './rates.ts'
import { startRelay, type Relay } from './relay.ts'
import { send } from './source.ts'

const STEPS = [100_000, 1_000_000]
const DESTINATIONS = 500
const ROUNDS = 4

const run = promisify(execFile)

export async function measureRedisBacklog(messages: number): Promise<void> {
  await using sink = await startSink()
  const zones: Zone = {
    ...zone(DESTINATIONS),
    // Nothing listens on this address: connections are refused at once.
    'dead.bench.test': { A: ['127.0.0.99'] },
    'dead.test': { MX: ['10 dead.bench.test'] },
  }
  await using dns = await startDns(zones)
  await using one = await startRedis()
  await using two = await startRedis()
  const settings = byMx(dns.server, sink.port)
  const start = (redis: RedisServer): Promise<Relay> =>
    startRelay({ environment: { ...settings, WAYPOST_REDIS: redis.url } })
  await using free = await start(one)
  await using laden = await start(two)
  let queued = 0
  for (const step of STEPS) {
    await fill(laden, two, step - queued)
    queued = step
    await measureFinding(two, queued)
    const [without, beside] = await inTurn(free, laden, sink, messages)
    const ratio = (beside / without).toFixed(2)
    console.log(
      `  to ${DESTINATIONS} others  without backlog ${Math.round(without)}/s, with ${queued} queued ${Math.round(beside)}/s, ratio ${ratio}`,
    )
  }
}

async function fill(relay: Relay, redis: RedisServer, messages: number): Promise<void> {
  const before = await memoryOf(redis)
  const start = performance.now()
  const recipient = (n: number): string => `rcpt${n}@dead.test`
  await send(relay.port, { messages, sessions: 40, bytes: 1024, recipient })
  const rate = (messages * 1000) / (performance.now() - start)
  const each = ((await memoryOf(redis)) - before) / messages
  console.log(
    `  ${messages} queued for a dead destination, ${Math.round(rate)}/s, ${Math.round(each)} bytes of Redis each; the relay has ${Math.round(relay.memory() / 1e6)} MB`,
  )
}

async function memoryOf(redis: RedisServer): Promise<number> {
  const client = await redis.client()
  const said = await client.info('memory')
  client.disconnect()
  return Number(/^used_memory:(\d+)/m.exec(said)![1])
}

/** Whole commands, their start included, as an admin waits for them. */
async function measureFinding(redis: RedisServer, queued: number): Promise<void> {
  const list = ['queue', 'list']
  const commands = {
    'its start alone': ['--version'],
    'by recipient': [...list, '--to', 'rcpt77@dead.test'],
    'by sender': [...list, '--from', 'sender@app.test'],
    'by state': [...list, '--state', 'waiting'],
    'by last reply, none fits': [...list, '--reply', 'no such words'],
    'counts by domain and age': ['queue', 'counts', '--by', 'domain', '--age'],
  }
  for (const [what, words] of Object.entries(commands)) {
    const start = performance.now()
    await run('scripts/waypost.js', words, {
      env: { ...process.env, WAYPOST_REDIS: redis.url },
    }).catch((error: { code?: number }) => {
      if (error.code !== 1) throw error
    })
    const seconds = (performance.now() - start) / 1000
    console.log(`    found among ${queued}, ${what}: ${seconds.toFixed(2)} s`)
  }
}

async function inTurn(
  free: Relay,
  laden: Relay,
  sink: Sink,
  messages: number,
): Promise<[number, number]> {
  const rates: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++)
    for (const [n, relay] of [free, laden].entries()) {
      const rate = await measure(relay, sink, messages)
      if (round > 0) rates[n]!.push(rate) // the first one warms up
    }
  return [median(rates[0]), median(rates[1])]
}

async function measure(relay: Relay, sink: Sink, messages: number): Promise<number> {
  const before = sink.count()
  const start = performance.now()
  const recipient = (n: number): string => `rcpt${n}@d${n % DESTINATIONS}.bench.test`
  await send(relay.port, { messages, sessions: 40, bytes: 4096, recipient })
  await until(() => sink.count() - before >= messages, 300_000)
  return (messages * 1000) / (performance.now() - start)
}
