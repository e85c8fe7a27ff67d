// Real Redis servers for tests: private ones on free loopback ports, each with a folder of its own, stopped by
// pid. `redis-server` or `valkey-server` is found on PATH, or Debian's is installed when we are root.
//
//   await using redis = await startRedis()
//   await redis.kill(); await redis.start()

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { need } from './debian.ts'
import { freePort, until } from './patience.ts'

const run = promisify(execFile)

export interface RedisOptions {
  /** Further settings, as redis.conf has them: `{ maxmemory: '100mb' }`. */
  readonly settings?: Readonly<Record<string, string>>
  readonly program?: string
}

const DURABLE = {
  appendonly: 'yes',
  appendfsync: 'always',
  save: '',
  'auto-aof-rewrite-min-size': '1gb',
  'hash-max-listpack-value': '2048',
}

/** The server's program; throws what to do when there is none. */
export async function redisProgram(): Promise<string> {
  const found = await onPath('redis-server', 'valkey-server')
  if (found !== undefined) return found
  const missing = await need('redis-server')
  const installed = await onPath('redis-server')
  if (installed !== undefined) return installed
  throw new Error(
    `These tests need redis-server or valkey-server on PATH: install either (apt-get install redis-server); ${missing}`,
  )
}

async function onPath(...names: string[]): Promise<string | undefined> {
  for (const name of names)
    try {
      return (await run('which', [name])).stdout.trim()
    } catch {
      // The next one, then.
    }
  return undefined
}

/** One that can say when what was written is synced: what WAYPOST_TEST_REDIS names, or is on PATH. */
export async function waitaofProgram(): Promise<string | undefined> {
  const named = process.env['WAYPOST_TEST_REDIS']
  for (const program of [named, await onPath('redis-server'), await onPath('valkey-server')]) {
    if (program === undefined) continue
    const { stdout } = await run(program, ['--version'])
    const [major = 0, minor = 0] = (/v=(\d+)\.(\d+)/.exec(stdout) ?? []).slice(1).map(Number)
    if (major > 7 || (major === 7 && minor >= 2)) return program
  }
  return undefined
}

/** A server, and a replica that has begun to follow it. */
export async function startPair(options: RedisOptions = {}): Promise<[RedisServer, RedisServer]> {
  await using parts = new AsyncDisposableStack()
  const master = parts.use(await startRedis(options))
  const settings = { ...options.settings, replicaof: `127.0.0.1 ${master.port}` }
  const replica = parts.use(await startRedis({ ...options, settings }))
  const redis = await master.client()
  await until(
    async () => (await redis.info('replication')).includes('state=online'),
    () => 'the replica to follow',
  )
  redis.disconnect()
  parts.move()
  return [master, replica]
}

/** Starts one that syncs every write, and resolves when it answers. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = options.program ?? (await redisProgram())
  const folder = await mkdtemp(join(tmpdir(), 'waypost-redis-'))
  const server = new RedisServer(program, folder, await freePort(), options.settings ?? {})
  try {
    await server.start()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

export class RedisServer implements AsyncDisposable {
  readonly port: number
  readonly folder: string
  #program: string
  #settings: Record<string, string>
  #child: ChildProcess | undefined
  #said = ''

  constructor(
    program: string,
    folder: string,
    port: number,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#program = program
    this.folder = folder
    this.port = port
    this.#settings = { ...DURABLE, ...settings }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`
  }

  get pid(): number {
    return this.#child!.pid!
  }

  async start(): Promise<void> {
    const settings = {
      bind: '127.0.0.1',
      port: String(this.port),
      dir: this.folder,
      ...this.#settings,
    }
    const words = Object.entries(settings).flatMap(([name, value]) => [
      `--${name}`,
      ...value.split(' '),
    ])
    const child = spawn(this.#program, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#said += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text))
    this.#child = child
    await until(
      () => this.answers(),
      () => `Redis to answer: ${this.#said.slice(-2000)}`,
    )
  }

  async answers(): Promise<boolean> {
    const redis = this.#newClient()
    try {
      await redis.connect()
      return true
    } catch {
      return false
    } finally {
      redis.disconnect()
    }
  }

  /** A plain client, to look into it. */
  async client(): Promise<Redis> {
    const redis = this.#newClient()
    await redis.connect()
    return redis
  }

  #newClient(): Redis {
    const options = { host: '127.0.0.1', port: this.port, lazyConnect: true } as const
    const redis = new Redis({ ...options, retryStrategy: () => null, protocol: 2 })
    redis.on('error', () => {})
    return redis
  }

  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Stops it from answering without closing anything. */
  freeze(): void {
    this.#child!.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child!.kill('SIGCONT')
  }

  /** What it is started with from now on. */
  set(name: string, value: string): void {
    this.#settings[name] = value
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }
}
