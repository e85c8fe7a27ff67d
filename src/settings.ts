// The environment as checked settings. The table below is the manual: `waypost settings` and the
// README print it. Whatever cannot be read stops the start, all mistakes at once, each with what
// to write instead.

import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { closest } from './base/closest.ts'
import { ipVersion } from './base/network.ts'
import { readRefused, REFUSED_BY_DEFAULT } from './delivery/hosts/private-networks.ts'
import { configInForce, SHIPPED, type ConfigPlaces } from './policy/config.ts'
import * as values from './values.ts'

export type Environment = Readonly<Record<string, string | undefined>>

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
    values.readListen,
    'Where mail comes in: smtp:// (STARTTLS offered when there is a certificate; on loopback only as smtp://127.0.0.1:2525?starttls, since local programs would take it and doubt the name), submission:// (TLS and AUTH required) or submissions:// (implicit TLS and AUTH required), comma-separated',
  ),
  hostname: row(
    'WAYPOST_HOSTNAME',
    '',
    values.readHostname,
    'Our name in the greeting, EHLO, Received and notices; default: what the system says',
  ),
  config: row(
    'WAYPOST_CONFIG',
    '',
    values.readPath,
    'The folder that holds policies/ and queues/; default: config in the data folder once `waypost init` or another command has written it, until then what is shipped',
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
    values.readRedis,
    'Keep the queue in this Redis or Valkey, for any number of processes: redis://host:6379/0, rediss:// (TLS) or redis+sentinel://host:26379,host:26379/name',
  ),
  redisPrefix: row(
    'WAYPOST_REDIS_PREFIX',
    'waypost',
    values.readPrefix,
    'What all its keys in Redis begin with: relays that share a queue have the same',
  ),
  content: row(
    'WAYPOST_CONTENT',
    '',
    values.readContent,
    'Keep the content of mail outside of Redis, in this object store: s3://bucket/prefix?region=… or s3://bucket/prefix?endpoint=https://…; credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or whatever AWS’ own tools find',
  ),
  redisReplicas: row(
    'WAYPOST_REDIS_REPLICAS',
    '0',
    values.readReplicas,
    'Replicas of Redis that must have a message too before its 250',
  ),
  durability: row(
    'WAYPOST_DURABILITY',
    'strict',
    values.readDurability,
    'strict: a server that does not sync every message before its 250 is refused; relaxed: up to a second of accepted mail may be lost',
  ),
  roles: row(
    'WAYPOST_ROLES',
    'listen,deliver,admin',
    values.readRoles,
    'What this process does, with WAYPOST_REDIS: listen (takes mail in), deliver (takes it out), admin (health and metrics over HTTP)',
  ),
  name: row(
    'WAYPOST_NAME',
    '',
    values.readName,
    'What this process is called in `waypost processes`; default: the name of the machine and the process id',
  ),
  source: row(
    'WAYPOST_SOURCE',
    '',
    values.readSource,
    'What others see this process call from; the connection limits of a site are shared by all processes that say the same. Default: WAYPOST_HOSTNAME',
  ),
  tlsCert: row(
    'WAYPOST_TLS_CERT',
    '',
    values.readPath,
    'Certificate chain of the listeners (PEM), reloaded when it changes',
  ),
  tlsKey: row(
    'WAYPOST_TLS_KEY',
    '',
    values.readPath,
    'Private key of the listeners (PEM), reloaded when it changes',
  ),
  admin: row(
    'WAYPOST_ADMIN',
    'http://127.0.0.1:8025',
    values.readAdmin,
    'Where /healthz, /readyz and /metrics are; none: nowhere',
  ),
  dns: row(
    'WAYPOST_DNS',
    '',
    values.readResolver,
    'The resolvers, host:port, comma-separated; default: those of the system',
  ),
  mxRefuse: row(
    'WAYPOST_MX_REFUSE',
    REFUSED_BY_DEFAULT,
    readRefused,
    'Networks that nobody is reached in without a named next hop; none allows all',
  ),
  mxPort: row(
    'WAYPOST_MX_PORT',
    '25',
    values.readPort,
    'The port of MX hosts; anything but 25 is for trials',
  ),
  connections: row(
    'WAYPOST_CONNECTIONS',
    '5000',
    values.readCount,
    'Outbound connections at one time, in all',
  ),
  diskReserve: row(
    'WAYPOST_DISK_RESERVE',
    'auto',
    values.readReserve,
    'Free space under which no mail is accepted (452 4.3.1); auto: the smaller of 1GB and 5 % of the disk',
  ),
  history: row(
    'WAYPOST_HISTORY',
    '7d auto',
    values.readHistory,
    'How long and how much is kept of messages that have ended; the oldest go first. auto: 10GB on disk, 1GB in Redis',
  ),
  drain: row(
    'WAYPOST_DRAIN',
    '30s',
    values.readTime,
    'How long attempts under way may go on after SIGTERM',
  ),
  postmaster: row(
    'WAYPOST_POSTMASTER',
    '',
    values.readPostmaster,
    'Where <Postmaster> without a domain goes; default: postmaster@ and the host name',
  ),
  log: row(
    'WAYPOST_LOG',
    'auto',
    values.readLog,
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

/** Where the configuration is that counts, for the relay and all commands alike. */
export function configPlaces({ config, data }: Pick<Settings, 'config' | 'data'>): ConfigPlaces {
  return config === undefined ? { own: join(data, 'config'), shipped: SHIPPED } : { own: config }
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
  const isFull = /^[^.]+(\.[^.]+)+$/.test(name) && ipVersion(name) === 0
  const partial = `WAYPOST_HOSTNAME: "${name}" is no fully qualified name; many servers refuse mail from such an EHLO, set a name that resolves to this machine`
  return [...(isFull ? [] : [partial]), ...passedBy(settings)]
}

// Whoever begins in a folder with policies means them.
function passedBy(settings: Settings): string[] {
  const read = configInForce(configPlaces(settings))
  const here = resolve('policies')
  if (settings.config !== undefined || here === join(read, 'policies') || !existsSync(here))
    return []
  return [`WAYPOST_CONFIG: "${here}" is not read, "${read}" is; WAYPOST_CONFIG=. reads it`]
}
