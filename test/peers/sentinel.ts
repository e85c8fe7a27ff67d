// A master, its replicas and a sentinel that puts a replica in its place when it is gone, as they run in
// production, on free loopback ports.
//
//   await using watched = await startWatched()
//   await watched.master.kill()  →  a replica takes over within seconds

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort, until } from './patience.ts'
import { redisProgram, startRedis, type RedisServer } from './redis.ts'

const NAME = 'mail'
/** Until the master counts as gone, in milliseconds. */
const GONE = 1000

export interface Watched extends AsyncDisposable {
  readonly servers: readonly RedisServer[]
  /** As WAYPOST_REDIS has it. */
  readonly url: string
  /** Who is the master now, as the sentinel sees it. */
  master(): Promise<RedisServer>
  /** How many replicas the master has. */
  replicas(): Promise<number>
}

export async function startWatched(replicas = 2): Promise<Watched> {
  await using parts = new AsyncDisposableStack()
  const first = parts.use(await startRedis())
  const settings = { replicaof: `127.0.0.1 ${first.port}`, 'repl-diskless-sync-delay': '0' }
  const servers = [first]
  for (let n = 0; n < replicas; n++) servers.push(parts.use(await startRedis({ settings })))
  const port = await freePort()
  parts.use(await startSentinel(port, first.port))
  const asked = parts.adopt(new Redis({ port, protocol: 2 }), (redis) => redis.disconnect())
  asked.on('error', () => {})
  const master = async (): Promise<RedisServer> => {
    const place = (await asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[]
    return servers.find((server) => server.port === Number(place[1]))!
  }
  const watched = {
    servers,
    url: `redis+sentinel://127.0.0.1:${port}/${NAME}/0`,
    master,
    replicas: async () => replicasOf(await master()),
  }
  const known = async (): Promise<number> =>
    ((await asked.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]).length
  await until(async () => (await watched.replicas()) === replicas && (await known()) === replicas)
  const owned = parts.move()
  return { ...watched, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function replicasOf(server: RedisServer): Promise<number> {
  const redis = await server.client()
  try {
    const said = await redis.info('replication')
    return said.split('\r\n').filter((line) => /^slave\d+:.*state=online/.test(line)).length
  } finally {
    redis.disconnect()
  }
}

async function startSentinel(port: number, master: number): Promise<AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  const watching = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${master} 1`,
    `sentinel down-after-milliseconds ${NAME} ${GONE}`,
    `sentinel failover-timeout ${NAME} 5000`,
  ]
  await writeFile(file, `${watching.join('\n')}\n`)
  const child = spawn(await redisProgram(), [file, '--sentinel'], { stdio: 'ignore' })
  return { [Symbol.asyncDispose]: () => end(child, folder) }
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  await rm(folder, { recursive: true, force: true })
}
