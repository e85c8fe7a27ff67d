// The environment as checked settings, in groups that parts receive whole. The tables are the manual:
// `waypost settings` and SETTINGS.md print them. Whatever cannot be read stops the start, all mistakes
// at once, each with what to write instead.

import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { closest } from '../base/closest.ts'
import { ipVersion } from '../base/network.ts'
import { configInForce, SHIPPED, type ConfigPlaces } from '../policy/config.ts'
import { DELIVERY, type DeliverySettings } from './delivery.ts'
import { HTTP, type HttpSettings } from './http.ts'
import { LISTEN, listenProblems, type ListenSettings } from './listen.ts'
import { PROCESS, type ProcessSettings } from './process.ts'
import { QUEUE, queueProblems, queueSettings, type QueueSettings } from './queue.ts'
import type { Row, Rows, ValuesOf } from './row.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** All settings, in the order of the manual. */
export const TABLE: readonly Row<unknown>[] = [PROCESS, LISTEN, QUEUE, DELIVERY, HTTP].flatMap(
  (group) => Object.values(group),
)

export interface Settings {
  readonly process: ProcessSettings
  readonly listen: ListenSettings
  readonly queue: QueueSettings
  readonly delivery: DeliverySettings
  readonly http: HttpSettings
  /** What is sound, and may not be what was meant. */
  readonly warnings: readonly string[]
}

export class SettingsError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'SettingsError'
  }
}

/** Throws a `SettingsError` that names every mistake. */
export function readSettings(environment: Environment): Settings {
  const problems = unknownNames(environment)
  const read = <Table extends Rows>(table: Table): ValuesOf<Table> =>
    readGroup(table, environment, problems)
  const process = read(PROCESS)
  const listen = read(LISTEN)
  const queue = read(QUEUE)
  const delivery = read(DELIVERY)
  const http = read(HTTP)
  if (problems.length > 0) throw new SettingsError(problems)
  const wrong = [
    ...listenProblems(listen),
    ...queueProblems(queue),
    ...rolesProblems(process, queue),
  ]
  if (wrong.length > 0) throw new SettingsError(wrong)
  const { source = process.hostname } = delivery
  const settings = {
    process,
    listen,
    queue: queueSettings(queue),
    delivery: { ...delivery, source },
    http,
  }
  return { ...settings, warnings: [...skipped(environment), ...doubts(settings)] }
}

function readGroup<Table extends Rows>(
  table: Table,
  environment: Environment,
  problems: string[],
): ValuesOf<Table> {
  const values: Record<string, unknown> = {}
  for (const [name, { from, default: fallback, read }] of Object.entries(table)) {
    try {
      const text = valueOf(environment, from)
      values[name] = read(text === undefined || text === '' ? fallback : text)
    } catch (error) {
      problems.push(`${from}: ${(error as Error).message}`)
    }
  }
  return values as ValuesOf<Table>
}

function rolesProblems(
  { roles }: ProcessSettings,
  { redis }: Pick<ValuesOf<typeof QUEUE>, 'redis'>,
): string[] {
  if (redis !== undefined || (roles.includes('listen') && roles.includes('deliver'))) return []
  return [
    'WAYPOST_ROLES: the embedded queue has one process, which does both listen and deliver; set WAYPOST_REDIS to divide them',
  ]
}

/** Where the configuration is that counts, for the relay and all commands alike. */
export function configPlaces({
  process: { config },
  queue: { data },
}: Pick<Settings, 'process' | 'queue'>): ConfigPlaces {
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
  const known = TABLE.map(({ from }) => from)
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

type Read = Omit<Settings, 'warnings'>

function doubts(settings: Read): string[] {
  const { hostname: name } = settings.process
  const isFull = /^[^.]+(\.[^.]+)+$/.test(name) && ipVersion(name) === 0
  const partial = `WAYPOST_HOSTNAME: "${name}" is no fully qualified name; many servers refuse mail from such an EHLO, set a name that resolves to this machine`
  return [...(isFull ? [] : [partial]), ...passedBy(settings)]
}

// Whoever begins in a folder with policies means them.
function passedBy(settings: Read): string[] {
  const read = configInForce(configPlaces(settings))
  const here = resolve('policies')
  if (settings.process.config !== undefined || here === join(read, 'policies') || !existsSync(here))
    return []
  return [`WAYPOST_CONFIG: "${here}" is not read, "${read}" is; WAYPOST_CONFIG=. reads it`]
}
