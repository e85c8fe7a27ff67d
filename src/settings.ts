// The environment as checked settings. The table below is the manual: `waypost settings` and the
// README print it. Whatever cannot be read stops the start, all mistakes at once, each with what
// to write instead.

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { isIP } from 'node:net'
import { closest } from './base/closest.ts'
import { parseDuration, parseSize } from './base/units.ts'
import { readRefused, REFUSED_BY_DEFAULT } from './delivery/guard.ts'
import { parseAddress, type Address } from './mail/address.ts'
import { readAddress, type RedisAddress } from './queue/bullmq/address.ts'
import { readBucket, type BucketAddress } from './queue/bullmq/s3/address.ts'
import { ROLES, type Role } from './queue/port.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface ListenUrl {
  /** smtp: STARTTLS offered when there is a certificate; submission: TLS and AUTH required; submissions: implicit TLS and AUTH required. */
  readonly scheme: 'smtp' | 'submission' | 'submissions'
  readonly host: string
  readonly port: number
}

export interface AdminUrl {
  readonly host: string
  readonly port: number
}

interface Row<T> {
  readonly from: string
  /** What stands in the manual; an empty one means "not set". */
  readonly default: string
  /** Throws a sentence that says what should be written. */
  readonly read: (text: string) => T
  readonly says: string
}

function row<T>(from: string, fallback: string, read: (text: string) => T, says: string): Row<T> {
  return { from, default: fallback, read, says }
}

export const TABLE = {
  listen: row(
    'WAYPOST_LISTEN',
    'smtp://127.0.0.1:2525',
    readListen,
    'Where mail comes in: smtp:// (STARTTLS offered when there is a certificate), submission:// (TLS and AUTH required) or submissions:// (implicit TLS and AUTH required), comma-separated',
  ),
  hostname: row(
    'WAYPOST_HOSTNAME',
    '',
    readHostname,
    'Our name in the greeting, EHLO, Received and notices; default: what the system says',
  ),
  config: row(
    'WAYPOST_CONFIG',
    '.',
    (text) => resolve(text),
    'The folder that holds policies/ and queues/',
  ),
  data: row(
    'WAYPOST_DATA',
    './data',
    (text) => resolve(text),
    'The folder that holds the queue; one relay each. Not used with WAYPOST_REDIS',
  ),
  redis: row(
    'WAYPOST_REDIS',
    '',
    readRedis,
    'Keep the queue in this Redis or Valkey, for any number of processes: redis://host:6379/0, rediss:// (TLS) or redis+sentinel://host:26379,host:26379/name',
  ),
  redisPrefix: row(
    'WAYPOST_REDIS_PREFIX',
    'waypost',
    readPrefix,
    'What all its keys in Redis begin with: relays that share a queue have the same',
  ),
  content: row(
    'WAYPOST_CONTENT',
    '',
    readContent,
    'Keep the content of mail outside of Redis, in this object store: s3://bucket/prefix?region=… or s3://bucket/prefix?endpoint=https://…; credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or whatever AWS’ own tools find',
  ),
  redisReplicas: row(
    'WAYPOST_REDIS_REPLICAS',
    '0',
    readReplicas,
    'Replicas of Redis that must have a message too before its 250',
  ),
  durability: row(
    'WAYPOST_DURABILITY',
    'strict',
    readDurability,
    'strict: a server that does not sync every message before its 250 is refused; relaxed: up to a second of accepted mail may be lost',
  ),
  roles: row(
    'WAYPOST_ROLES',
    'listen,deliver,admin',
    readRoles,
    'What this process does, with WAYPOST_REDIS: listen (takes mail in), deliver (takes it out), admin (health and metrics over HTTP)',
  ),
  name: row(
    'WAYPOST_NAME',
    '',
    readName,
    'What this process is called in `waypost processes`; default: the name of the machine and the process id',
  ),
  source: row(
    'WAYPOST_SOURCE',
    '',
    readSource,
    'What others see this process call from; the connection limits of a site are shared by all processes that say the same. Default: WAYPOST_HOSTNAME',
  ),
  tlsCert: row(
    'WAYPOST_TLS_CERT',
    '',
    readPath,
    'Certificate chain of the listeners (PEM), reloaded when it changes',
  ),
  tlsKey: row(
    'WAYPOST_TLS_KEY',
    '',
    readPath,
    'Private key of the listeners (PEM), reloaded when it changes',
  ),
  admin: row(
    'WAYPOST_ADMIN',
    'http://127.0.0.1:8025',
    readAdmin,
    'Where /healthz, /readyz and /metrics are; none: nowhere',
  ),
  dns: row('WAYPOST_DNS', '', readServer, 'The resolver, host:port; default: those of the system'),
  mxRefuse: row(
    'WAYPOST_MX_REFUSE',
    REFUSED_BY_DEFAULT,
    readRefused,
    'Networks that nobody is reached in without a named next hop; none allows all',
  ),
  mxPort: row(
    'WAYPOST_MX_PORT',
    '25',
    readPort,
    'The port of MX hosts; anything but 25 is for trials',
  ),
  connections: row(
    'WAYPOST_CONNECTIONS',
    '5000',
    readCount,
    'Outbound connections at one time, in all',
  ),
  diskReserve: row(
    'WAYPOST_DISK_RESERVE',
    'auto',
    readReserve,
    'Free space under which no mail is accepted (452 4.3.1); auto: the smaller of 1GB and 5 % of the disk',
  ),
  history: row(
    'WAYPOST_HISTORY',
    '7d auto',
    readHistory,
    'How long and how much is kept of messages that have ended; the oldest go first. auto: 10GB on disk, 1GB in Redis',
  ),
  drain: row(
    'WAYPOST_DRAIN',
    '30s',
    readTime,
    'How long attempts under way may go on after SIGTERM',
  ),
  postmaster: row(
    'WAYPOST_POSTMASTER',
    '',
    readPostmaster,
    'Where <Postmaster> without a domain goes; default: postmaster@ and the host name',
  ),
  log: row(
    'WAYPOST_LOG',
    'auto',
    readLog,
    'json, text or off; auto: text on a terminal, else JSON lines',
  ),
} as const

export type Settings = {
  readonly [Name in keyof typeof TABLE]: ReturnType<(typeof TABLE)[Name]['read']>
} & { readonly warnings: readonly string[] }

export class SettingsError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'SettingsError'
  }
}

/** Throws a `SettingsError` that names every mistake. */
export function readSettings(environment: Environment): Settings {
  const problems = unknownNames(environment)
  const warnings = skipped(environment)
  const settings: Record<string, unknown> = {}
  for (const [name, { from, default: fallback, read }] of Object.entries<Row<unknown>>(TABLE)) {
    try {
      const text = valueOf(environment, from)
      settings[name] = read(text === undefined || text === '' ? fallback : text)
    } catch (error) {
      problems.push(`${from}: ${(error as Error).message}`)
    }
  }
  if (problems.length > 0) throw new SettingsError(problems)
  const read = settings as unknown as Settings
  const wrong = contradictions(read)
  if (wrong.length > 0) throw new SettingsError(wrong)
  return { ...read, warnings: [...warnings, ...doubts(read)] }
}

/** `NAME`, else the file that `NAME_FILE` names, without its last line end. */
function valueOf(environment: Environment, name: string): string | undefined {
  const file = environment[`${name}_FILE`]
  if (environment[name] !== undefined || file === undefined) return environment[name]
  try {
    return readFileSync(file, 'utf8').trimEnd()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`${name}_FILE names "${file}", which cannot be read: ${code}`, { cause })
  }
}

function unknownNames(environment: Environment): string[] {
  const known = Object.values(TABLE).map(({ from }) => from)
  return ours(environment)
    .filter((name) => !known.includes(name.replace(/_FILE$/, '')) && !injected(name, environment))
    .map((name) => {
      const near = closest(name, known)
      return `${name}: is not a setting${near === undefined ? '' : `, did you mean ${near}`}? \`waypost settings\` lists all`
    })
}

function skipped(environment: Environment): string[] {
  return ours(environment)
    .filter((name) => injected(name, environment))
    .map((name) => `${name}: skipped, it looks like what Kubernetes sets for a Service`)
}

// Tests' own variables say TEST.
function ours(environment: Environment): string[] {
  return Object.keys(environment).filter(
    (name) => name.startsWith('WAYPOST_') && !name.startsWith('WAYPOST_TEST_'),
  )
}

/** Kubernetes puts `WAYPOST_SERVICE_HOST`, `WAYPOST_PORT=tcp://…` into every pod beside a Service "waypost". */
function injected(name: string, environment: Environment): boolean {
  return (
    /_SERVICE_(HOST|PORT(_.*)?)$/.test(name) ||
    /_PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(environment[name] ?? ''))
  )
}

function contradictions(settings: Settings): string[] {
  const problems: string[] = []
  const { tlsCert, tlsKey } = settings
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    problems.push('WAYPOST_TLS_CERT and WAYPOST_TLS_KEY: only one is set, set both or neither')
  if (tlsCert === undefined && settings.listen.some(({ scheme }) => scheme !== 'smtp'))
    problems.push(
      'WAYPOST_LISTEN: submission and submissions need a certificate, set WAYPOST_TLS_CERT and WAYPOST_TLS_KEY',
    )
  return [...problems, ...withoutRedis(settings)]
}

function withoutRedis({ redis, redisReplicas, content, durability, roles }: Settings): string[] {
  if (redis !== undefined) return []
  const problems: string[] = []
  if (redisReplicas > 0)
    problems.push('WAYPOST_REDIS_REPLICAS: there is no Redis, set WAYPOST_REDIS')
  if (content !== undefined)
    problems.push('WAYPOST_CONTENT: the embedded queue keeps content itself; set WAYPOST_REDIS')
  if (durability === 'relaxed')
    problems.push('WAYPOST_DURABILITY: the embedded queue syncs every message; leave it out')
  if (!roles.includes('listen') || !roles.includes('deliver'))
    problems.push(
      'WAYPOST_ROLES: the embedded queue has one process, which does both listen and deliver; set WAYPOST_REDIS to divide them',
    )
  return problems
}

function doubts(settings: Settings): string[] {
  const { hostname: name } = settings
  if (/^[^.]+(\.[^.]+)+$/.test(name) && isIP(name) === 0) return []
  return [
    `WAYPOST_HOSTNAME: "${name}" is no fully qualified name; many servers refuse mail from such an EHLO, set a name that resolves to this machine`,
  ]
}

const SCHEMES = { smtp: 25, submission: 587, submissions: 465 } as const

function readListen(text: string): readonly ListenUrl[] {
  const parts = text.split(',').map((part) => part.trim())
  return parts.filter((part, n) => part !== '' || n === 0).map(readListenUrl)
}

function readListenUrl(text: string): ListenUrl {
  const match = /^([a-z]+):\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+)(?::(\d{1,5}))?\/?$/.exec(text)
  const scheme = match?.[1] as keyof typeof SCHEMES | undefined
  if (match === null || scheme === undefined || !(scheme in SCHEMES))
    throw new Error(
      `"${text}" is no address to listen on, write smtp://127.0.0.1:2525 or submissions://0.0.0.0:465`,
    )
  const port = match[3] === undefined ? SCHEMES[scheme] : readListenPort(match[3])
  return { scheme, host: match[2]!.replace(/^\[|\]$/g, ''), port }
}

// Port 0 is a free one: tests and trials ask for it.
function readListenPort(text: string): number {
  const port = Number(text)
  if (port > 65_535) throw new Error(`"${text}" is no port, write a number up to 65535`)
  return port
}

function readAdmin(text: string): AdminUrl | undefined {
  if (text === 'none') return undefined
  const match = /^http:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})\/?$/.exec(text)
  if (match === null)
    throw new Error(`"${text}" is no address, write http://127.0.0.1:8025 or none`)
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: readListenPort(match[2]!) }
}

function readHostname(text: string): string {
  const name = text === '' ? hostname() : text
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,252}[a-zA-Z0-9])?$/.test(name))
    throw new Error(`"${name}" is no host name, write one such as relay.example.com`)
  return name.toLowerCase()
}

function readPath(text: string): string | undefined {
  return text === '' ? undefined : resolve(text)
}

function readServer(text: string): string | undefined {
  if (text === '') return undefined
  if (isIP(text) !== 0) return isIP(text) === 6 ? `[${text}]:53` : `${text}:53`
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text)
  if (match === null || isIP(match[1] ?? match[2]!) === 0)
    throw new Error(`"${text}" is no resolver, write its address and port such as 127.0.0.1:53`)
  return text
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535)
    throw new Error(`"${text}" is no port, write a number from 1 to 65535`)
  return port
}

function readCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count < 1) throw new Error(`"${text}" is no count, write a whole number from 1 on`)
  return count
}

function readRedis(text: string): RedisAddress | undefined {
  return text === '' ? undefined : readAddress(text)
}

function readContent(text: string): BucketAddress | undefined {
  return text === '' ? undefined : readBucket(text)
}

function readPrefix(text: string): string {
  if (!/^[a-zA-Z0-9._-]{1,64}$/.test(text))
    throw new Error(`"${text}" is no prefix, write up to 64 letters, digits, ".", "_" and "-"`)
  return text
}

function readReplicas(text: string): number {
  if (!/^\d$/.test(text)) throw new Error(`"${text}" is no count of replicas, write 0 to 9`)
  return Number(text)
}

function readDurability(text: string): 'strict' | 'relaxed' {
  if (text !== 'strict' && text !== 'relaxed')
    throw new Error(`"${text}" is no durability, write strict or relaxed`)
  return text
}

function readRoles(text: string): readonly Role[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !(ROLES as readonly string[]).includes(name))
  if (wrong !== undefined)
    throw new Error(`"${wrong}" is no role, write some of ${ROLES.join(', ')}, comma-separated`)
  return ROLES.filter((role) => names.includes(role))
}

function readName(text: string): string {
  const name = text === '' ? `${hostname()}-${process.pid}` : text
  if (!/^[a-zA-Z0-9._-]{1,100}$/.test(name))
    throw new Error(`"${name}" is no name, write up to 100 letters, digits, ".", "_" and "-"`)
  return name
}

function readSource(text: string): string | undefined {
  if (text === '') return undefined
  if (!/^[a-zA-Z0-9._:-]{1,200}$/.test(text))
    throw new Error(`"${text}" is no source, write an address or a name such as relay.example.com`)
  return text
}

/** Bytes; `undefined` is the smaller of 1 GB and 5 %. */
function readReserve(text: string): number | undefined {
  if (text === 'auto') return undefined
  const bytes = parseSize(text)
  if (bytes === undefined) throw new Error(`"${text}" is no size, write one such as 1GB, or auto`)
  return bytes
}

/** A size of `undefined` is up to the engine. */
function readHistory(text: string): { readonly age: number; readonly size: number | undefined } {
  const [first = '', second = 'auto', ...rest] = text.trim().split(/\s+/)
  const age = parseDuration(first)
  const size = second === 'auto' ? undefined : parseSize(second)
  if (age === undefined || (size === undefined && second !== 'auto') || rest.length > 0)
    throw new Error(`"${text}" is no age and size, write them such as "7d 10GB" or "7d auto"`)
  return { age, size }
}

function readTime(text: string): number {
  const time = parseDuration(text)
  if (time === undefined) throw new Error(`"${text}" is no duration, write one such as 30s`)
  return time
}

function readPostmaster(text: string): Address | undefined {
  if (text === '') return undefined
  const address = parseAddress(text)
  if (address === undefined)
    throw new Error(`"${text}" is no address, write one such as postmaster@example.com`)
  return address
}

function readLog(text: string): 'auto' | 'json' | 'text' | 'off' {
  const format = (['auto', 'json', 'text', 'off'] as const).find((name) => name === text)
  if (format === undefined)
    throw new Error(`"${text}" is no log format, write json, text, off or auto`)
  return format
}
