// The programs a measurement needs beside the relay: Postfix's smtp-source and smtp-sink, a private
// Postfix (with OpenDKIM) as the yardstick. Each is stopped by the scope that started it.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export const HAS_POSTFIX = existsSync('/usr/sbin/postfix') && existsSync('/usr/sbin/smtp-source')
export const HAS_OPENDKIM = existsSync('/usr/sbin/opendkim')

export interface Sink extends AsyncDisposable {
  readonly port: number
  /** Messages taken since it began. */
  count(): number
}

/** Postfix's smtp-sink, which counts what it takes. */
export async function startSink(): Promise<Sink> {
  const folder = await openFolder()
  const port = await freePort()
  const file = join(folder.path, 'count')
  const out = openSync(file, 'w')
  const child = spawn('/usr/sbin/smtp-sink', ['-c', '-u', 'nobody', `127.0.0.1:${port}`, '4000'], {
    stdio: ['ignore', out, 'ignore'],
  })
  await listening(port)
  return {
    port,
    count: () => {
      const tail = readFileSync(file, 'latin1').slice(-100)
      return Number([...tail.matchAll(/mesg=(\d+)/g)].at(-1)?.[1] ?? 0)
    },
    async [Symbol.asyncDispose]() {
      await end(child)
      await folder[Symbol.asyncDispose]()
    },
  }
}

export interface Load {
  readonly messages: number
  readonly sessions: number
  readonly bytes: number
  /** Several messages on one connection. */
  readonly reuse: boolean
}

export interface Rate {
  readonly accepted: number
  readonly delivered: number
}

/** Messages a second through the relay at this port until the sink has them all. */
export async function measureRate(port: number, sink: Sink, load: Load): Promise<Rate> {
  const before = sink.count()
  const start = performance.now()
  await source(port, load)
  const accepted = performance.now()
  await until(() => sink.count() - before >= load.messages, 300_000)
  const delivered = performance.now()
  const rate = (end: number): number => (load.messages * 1000) / (end - start)
  return { accepted: rate(accepted), delivered: rate(delivered) }
}

async function source(port: number, load: Load): Promise<void> {
  const { sessions, bytes, messages, reuse } = load
  const options = `-s ${sessions} -l ${bytes} -m ${messages} -f sender@app.test -t rcpt@dest.test`
  const words = [...options.split(' '), ...(reuse ? ['-d'] : []), `127.0.0.1:${port}`]
  const child = spawn('/usr/sbin/smtp-source', words, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`smtp-source ended with ${code}`)
}

export interface Server extends AsyncDisposable {
  readonly port: number
}

export interface Postfix extends Server {
  /** The file of its log. */
  readonly log: string
}

/**
 * A private Postfix with its defaults that sends everything to the sink; with OpenDKIM when `sign` is set.
 * @param lines more of main.cf, which win
 */
export async function startPostfix(
  sinkPort: number,
  sign: boolean,
  lines: readonly string[] = [],
): Promise<Postfix> {
  const folder = await openFolder()
  const port = await freePort()
  const milter = sign ? await startOpenDkim(folder.path) : undefined
  const etc = join(folder.path, 'etc')
  writeConfiguration(folder.path, port, sinkPort, lines, milter?.port)
  postfix(etc, 'start')
  await listening(port)
  return {
    port,
    log: join(folder.path, 'postfix.log'),
    async [Symbol.asyncDispose]() {
      postfix(etc, 'stop')
      await milter?.[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

function writeConfiguration(
  folder: string,
  port: number,
  sink: number,
  more: readonly string[],
  milter?: number,
): void {
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(folder, name))
  spawnSync('chown', ['postfix', join(folder, 'data')])
  const master = readFileSync('/usr/share/postfix/master.cf.dist', 'utf8')
    .replace(/^smtp( +)inet/m, `127.0.0.1:${port} inet`)
    .replaceAll(/^([a-z0-9:.]+ +(?:inet|unix|fifo) +[-n] +[-yn?]+ +)y/gm, '$1n')
  writeFileSync(join(folder, 'etc', 'master.cf'), master)
  const usual = [
    'compatibility_level = 3.6',
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    'myhostname = postfix.test',
    'mydestination =',
    'mynetworks = 127.0.0.0/8',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    `relayhost = [127.0.0.1]:${sink}`,
    'smtp_tls_security_level = none',
    'disable_dns_lookups = yes',
    'smtp_host_lookup = native',
    'smtpd_client_connection_count_limit = 0',
    `maillog_file_prefixes = ${folder}, /var, /dev/stdout`,
    `maillog_file = ${folder}/postfix.log`,
    ...(milter === undefined ? [] : [`smtpd_milters = inet:127.0.0.1:${milter}`]),
  ]
  // Of a name that comes twice Postfix takes the last, with a warning.
  const names = new Set(more.map(nameOf))
  const lines = [...usual.filter((line) => !names.has(nameOf(line))), ...more]
  writeFileSync(join(folder, 'etc', 'main.cf'), `${lines.join('\n')}\n`)
}

function nameOf(line: string): string {
  return line.split('=')[0]!.trim()
}

function postfix(etc: string, verb: 'start' | 'stop'): void {
  const { status, stderr } = spawnSync('/usr/sbin/postfix', ['-c', etc, verb], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`postfix ${verb} failed: ${stderr}`)
}

async function startOpenDkim(folder: string): Promise<Server> {
  const port = await freePort()
  const key = join(folder, 'dkim.pem')
  spawnSync('openssl', ['genrsa', '-out', key, '2048'])
  chmodSync(key, 0o600)
  const file = join(folder, 'opendkim.conf')
  const lines = [
    'Mode s',
    'Domain app.test',
    'Selector s1',
    `KeyFile ${key}`,
    `Socket inet:${port}@127.0.0.1`,
    'Canonicalization relaxed/relaxed',
    'RequireSafeKeys false',
    'UserID root',
    'InternalHosts 127.0.0.0/8',
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  const child = spawn('/usr/sbin/opendkim', ['-f', '-x', file], { stdio: 'ignore' })
  await listening(port)
  return { port, [Symbol.asyncDispose]: () => end(child) }
}

export interface Folder extends AsyncDisposable {
  readonly path: string
}

/** A folder that others may enter (Postfix drops its rights), gone with its scope. */
export async function openFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'waypost-bench-'))
  chmodSync(path, 0o755)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Resolves when something accepts there. */
export async function listening(port: number): Promise<void> {
  let open = false
  await until(async () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    open = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    return open
  }, 20_000)
}

export async function until(
  test: () => boolean | Promise<boolean>,
  milliseconds: number,
): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!(await test())) {
    if (performance.now() > deadline) throw new Error(`Not reached within ${milliseconds} ms`)
    await wait(10)
  }
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
