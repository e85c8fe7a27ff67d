// `npm run board [-- DESTINATION…]`: lanes of a queue in Redis as BullMQ sees them, on a page of bull-board
// on loopback. It writes nothing and steers nothing: `waypost queue` does, and records who and why.

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { HonoAdapter } from '@bull-board/hono'
import { getRequestListener } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { bindError } from '../src/base/bind.ts'
import { systemClock } from '../src/base/clock.ts'
import { stopSignal } from '../src/base/stop.ts'
import type { Destination } from '../src/mail/destination.ts'
import { laneOf } from '../src/queue/bullmq/link/keys.ts'
import { Reading } from '../src/queue/bullmq/read/reading.ts'
import { openCaller } from '../src/queue/bullmq/remote.ts'
import { readSettings } from '../src/settings/settings.ts'

const HOST = '127.0.0.1'
/** Lanes shown when none is named. */
const MOST = 20
/** Its page would have fonts from elsewhere: where an operator looks is nobody else's business. */
const OWN_ONLY = "default-src 'self' data: 'unsafe-inline'"

const HELP = `Usage: npm run board -- [--port PORT] [DESTINATION…]

Shows lanes of the queue that WAYPOST_REDIS and WAYPOST_REDIS_PREFIX name, as BullMQ
sees them: what is due (prioritized), what waits for its time (delayed) and what is
under way (active). Only reading. Ctrl-C ends it.

  DESTINATION   where routing sends mail, as \`waypost queue counts --by destination\`
                has it: far.example, or smarthost.example:587/me;
                without any, the ${MOST} lanes with the most work
  --port PORT   of ${HOST}; default: 8026

Example:
  $ WAYPOST_REDIS=redis://127.0.0.1:6379/0 npm run board -- far.example
`

process.exitCode = await main().catch((error: Error) => {
  for (const line of error.message.split('\n')) process.stderr.write(`board: ${line}\n`)
  return 1
})

async function main(): Promise<number> {
  const { help, port, names } = readWords()
  if (help) return say(HELP)
  const place = readSettings(process.env).queue.redis
  if (place === undefined) throw new Error('There is no Redis: set WAYPOST_REDIS')
  const stop = stopSignal()
  await using parts = new AsyncDisposableStack()
  const { redis, caller, time } = await openCaller(place)
  parts.defer(() => redis.disconnect())
  const reading = new Reading(redis, caller.prefix, systemClock, time)
  const lanes = names.length > 0 ? names : await busiest(reading)
  if (lanes.length === 0) throw new Error('No lane has work now: name those that you want to see')
  const url = parts.use(await serve(boardOf(lanes, redis, caller.prefix), port)).url
  say(`${lanes.map((lane) => `  ${lane}\n`).join('')}are shown on ${url}; Ctrl-C ends it\n`)
  await stop
  return 0
}

function readWords(): { help: boolean; port: number; names: Destination[] } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', default: false }, port: { type: 'string' } },
  })
  const { help, port = '8026' } = values
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new Error(`"${port}" is no port, write a number up to 65535`)
  const names = positionals as Destination[]
  return { help, port: Number(port), names }
}

async function busiest(reading: Reading): Promise<Destination[]> {
  const counts = await reading.counts('destination')
  return counts.slice(0, MOST).map(({ key }) => key as Destination)
}

function boardOf(lanes: readonly Destination[], redis: Redis, prefix: string): RequestListener {
  const serverAdapter = new HonoAdapter(serveStatic)
  const queues = lanes.map((destination) => adapterOf(destination, redis, prefix))
  // Workers are BullMQ's word for what fetches by itself; lanes are fetched by hand.
  const uiConfig = { boardTitle: 'Waypost lanes', showWorkers: false, hideDocsLink: true }
  createBullBoard({ queues, serverAdapter, options: { uiConfig } })
  const answer = getRequestListener(serverAdapter.registerPlugin().fetch)
  return (request, response) => {
    response.setHeader('content-security-policy', OWN_ONLY)
    void answer(request, response)
  }
}

function adapterOf(destination: Destination, redis: Redis, prefix: string): BullMQAdapter {
  // Our lanes have no `meta`, and get none from a look.
  const options = { connection: redis, prefix, skipMetasUpdate: true }
  const queue = new Queue(laneOf(destination), options)
  queue.on('error', () => {}) // A page that cannot be read says so.
  const adapter = new BullMQAdapter(queue, { readOnlyMode: true })
  // bull-board decodes a name once too often for those that have a "%".
  adapter.getName = () => decodeURIComponent(destination)
  return adapter
}

async function serve(
  listener: RequestListener,
  port: number,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer(listener)
  server.listen(port, HOST)
  await once(server, 'listening').catch((cause: Error) => {
    throw bindError(HOST, port, cause)
  })
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}
