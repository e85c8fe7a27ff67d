// The relay as operators run it: a process with its own config and data folder on free loopback
// ports. It can be killed and started again on what it left; its scope stops it and removes all.
//
//   await using relay = await startProcess({ hop: sink.port })
//   await relay.kill()
//   await relay.start()
//   await relay.entries('--state', 'waiting')

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { engineSettings } from './engine.ts'
import { freePort, until } from './patience.ts'

export { freePort, until }

export interface ProcessOptions {
  /** The port of the next hop of all mail, in clear; else `routing` says, else all goes by MX. */
  readonly hop?: number
  /** The text of routing.yaml. */
  readonly routing?: string
  /** More files of the config folder, by their path in it; they win over those written here. */
  readonly files?: Readonly<Record<string, string>>
  /** Settings; `CONFIG` in a value stands for the path of the config folder. */
  readonly environment?: Readonly<Record<string, string>>
  /** A data folder of the caller's, which stays. */
  readonly data?: string
  /** Schemes of further listeners beside smtp://; their ports are in `ports`. */
  readonly listeners?: readonly ('submission' | 'submissions')[]
  /** Peers of this relay alone, which end after it. */
  readonly beside?: readonly AsyncDisposable[]
  /** The program and its first words; default: this checkout's `src/cli.ts` on this Node. */
  readonly program?: readonly [string, ...string[]]
}

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A line of `waypost queue list --json`. */
export interface QueueEntry {
  readonly id: string
  readonly delivery: string
  readonly state: string
  readonly from: string
  readonly to: string
  readonly queue: string
  readonly destination: string
  readonly attempts: number
  readonly reply?: string
}

export type LogLine = Readonly<Record<string, unknown>>

const START_PATIENCE = 30_000

/** Starts it, and resolves when it greets. */
export async function startProcess(options: ProcessOptions = {}): Promise<RelayProcess> {
  const relay = await createProcess(options)
  try {
    await relay.start()
  } catch (error) {
    await relay[Symbol.asyncDispose]()
    throw error
  }
  return relay
}

/** All but the start. */
export async function createProcess(options: ProcessOptions = {}): Promise<RelayProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-process-'))
  await chmod(folder, 0o755)
  const ports = [await freePort(), await freePort()]
  for (const _ of options.listeners ?? []) ports.push(await freePort())
  writeConfig(folder, options)
  return new RelayProcess(folder, ports, options)
}

export class RelayProcess implements AsyncDisposable {
  /** The config folder. */
  readonly config: string
  readonly data: string
  readonly port: number
  readonly admin: number
  /** Of the further listeners, in the order of the options. */
  readonly ports: readonly number[]
  readonly environment: NodeJS.ProcessEnv
  #program: readonly [string, ...string[]]
  #beside: readonly AsyncDisposable[]
  #child: ChildProcess | undefined
  #out = ''
  #err = ''

  constructor(folder: string, ports: readonly number[], options: ProcessOptions) {
    const [port = 0, admin = 0, ...more] = ports
    this.config = folder
    this.data = options.data ?? join(folder, 'data')
    this.port = port
    this.admin = admin
    this.ports = more
    this.#beside = options.beside ?? []
    this.#program = options.program ?? [process.execPath, 'src/cli.ts']
    const schemes = ['smtp', ...(options.listeners ?? [])]
    const asked = (scheme?: string): string => (scheme === 'smtp' ? '?starttls' : '')
    const listen = [port, ...more].map(
      (port, n) => `${schemes[n]}://127.0.0.1:${port}${asked(schemes[n])}`,
    )
    this.environment = {
      ...withoutOurs(process.env),
      ...(options.environment?.['WAYPOST_REDIS'] === undefined ? engineSettings(this.data) : {}),
      WAYPOST_LISTEN: listen.join(','),
      WAYPOST_ADMIN: `http://127.0.0.1:${admin}`,
      WAYPOST_CONFIG: folder,
      WAYPOST_DATA: this.data,
      WAYPOST_HOSTNAME: 'relay.example',
      WAYPOST_LOG: 'json',
      ...Object.fromEntries(
        Object.entries(options.environment ?? {}).map(([name, value]) => [
          name,
          value.replaceAll('CONFIG', folder),
        ]),
      ),
    }
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('The relay was not started')
    return this.#child.pid
  }

  /** Starts the process on its folders, and resolves when it greets; a worker, when it is ready. */
  async start(...options: string[]): Promise<void> {
    this.launch(...options)
    await this.accepting()
  }

  /** Starts the process and waits for nothing. */
  launch(...options: string[]): void {
    const [program, ...words] = this.#program
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const child = spawn(program, [...words, 'start', ...options], {
      env: this.environment,
      stdio: [...stdio],
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#err += text))
    this.#child = child
  }

  async accepting(): Promise<void> {
    const deadline = performance.now() + START_PATIENCE
    const { WAYPOST_ROLES: roles = 'listen' } = this.environment
    const isUp = (): Promise<boolean> =>
      roles.includes('listen') ? greets(this.port) : isReady(this.admin)
    while (!(await isUp())) {
      if (!this.alive()) throw new Error(`The relay ended instead of starting:\n${this.said()}`)
      if (performance.now() > deadline) throw new Error(`The relay does not greet:\n${this.said()}`)
      await wait(10)
    }
  }

  alive(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    await this.#end('SIGTERM')
    return this.#child?.exitCode ?? null
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.alive()) return
    const gone = once(child, 'close')
    child.kill(signal)
    await gone
  }

  /** Writes a file into the config folder, and says where it is. */
  file(name: string, text: string): string {
    writeFileSync(join(this.config, name), text)
    return join(this.config, name)
  }

  /** All that it printed, for the one who asks why. */
  said(): string {
    return `${this.#out.slice(-8000)}${this.#err.slice(-8000)}`
  }

  /** Its log so far, over all its lives. */
  log(): LogLine[] {
    const lines = `${this.#out}\n${this.#err}`.split('\n')
    return lines.flatMap((line) => (line.startsWith('{') ? parsed(line) : []))
  }

  /** Runs another command of `waypost` with the same settings. */
  waypost(...words: string[]): Promise<Ran> {
    const [program, ...first] = this.#program
    return run(program, [...first, ...words], this.environment)
  }

  /** `waypost queue list --json` with these further words. */
  async entries(...words: string[]): Promise<QueueEntry[]> {
    const { code, out, err } = await this.waypost('queue', 'list', '--json', ...words)
    if (code !== 0) throw new Error(`waypost queue list ended with ${code}: ${err}`)
    return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as QueueEntry]))
  }

  /** Resolves when no recipient waits; its metrics are asked, which costs less than a command. */
  async emptied(milliseconds?: number): Promise<void> {
    let left: number | undefined
    await until(
      async () => (left = await this.#waiting()) === 0,
      () => `an empty queue, ${left} wait still:\n${this.said()}`,
      milliseconds,
      50,
    )
  }

  /** Recipients that have not ended; `undefined` while it does not say. */
  async #waiting(): Promise<number | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.admin}/metrics`).catch(() => undefined)
    const page = (await response?.text()) ?? ''
    const counts = [...page.matchAll(/^waypost_recipients\{.*\} (\d+)$/gm)]
    if (counts.length === 0) return undefined
    return counts.reduce((sum, [, count]) => sum + Number(count), 0)
  }

  /** Bytes of memory now, and at most since `forgetPeak`. */
  memory(): { readonly resident: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    const read = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024
    return { resident: read('VmRSS'), peak: read('VmHWM') }
  }

  forgetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, '5')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    for (const peer of this.#beside) await peer[Symbol.asyncDispose]()
    await rm(this.config, { recursive: true, force: true })
  }
}

/** Runs a program to its end; stdin is what is given, or empty. */
export function run(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  input = '',
): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env, timeout: 120_000, maxBuffer: 1 << 28 }
    const child = execFile(program, words, options, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, out, err: error !== null && err === '' ? error.message : err })
    })
    child.stdin?.on('error', () => {}) // it may end without reading
    child.stdin?.end(input)
  })
}

/** Whether somebody there says 220. */
export async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(5000, () => socket.destroy())
  const said = await new Promise<string>((resolve) => {
    socket.once('data', (bytes) => resolve(bytes.toString('latin1')))
    socket.once('error', () => resolve(''))
    socket.once('close', () => resolve(''))
  })
  socket.destroy()
  return said.startsWith('220')
}

async function isReady(admin: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${admin}/readyz`).catch(() => undefined)
  return response?.ok === true
}

function writeConfig(folder: string, options: ProcessOptions): void {
  const via =
    options.hop === undefined ? 'mx' : `{ host: 127.0.0.1, port: ${options.hop}, tls: none }`
  const files = {
    'policies/relay.yaml': "- allow: { clients: [127.0.0.0/8] }\n- allow: { users: ['*'] }\n",
    'policies/routing.yaml': options.routing ?? `- { to: ['*'], via: ${via}, queue: default }\n`,
    'queues/default.yaml': 'priority: 10\nretry: [1s]\ngive-up-after: 1h\nwarn-after: 30m\n',
    'queues/notices.yaml': 'priority: 20\nretry: [1s]\ngive-up-after: 1h\nwarn-after: 30m\n',
    ...options.files,
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('WAYPOST_'))
  return Object.fromEntries(others)
}

// The last line of a process that was killed may be cut.
function parsed(line: string): LogLine[] {
  try {
    return [JSON.parse(line) as LogLine]
  } catch {
    return []
  }
}
