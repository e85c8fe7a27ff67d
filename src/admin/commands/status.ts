// `waypost status` and `waypost processes`: what keeps the queue and what a 250 means there, what
// waits, and who shares it.

import type { Command } from 'commander'
import { printable } from '../../base/escape.ts'
import { formatSize } from '../../base/units.ts'
import type { EngineStatus, ProcessEntry } from '../../queue/port/control.ts'
import type { Oldest, QueueReader, Suspension } from '../../queue/port/reader.ts'
import type { Context } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { openEither, openRelay } from '../control/reach.ts'
import { formatTable } from '../cli/table.ts'
import { age, both, relative } from '../story/times.ts'
import { wrap } from '../cli/wrap.ts'

export function statusCommands(program: Command, act: Act): void {
  command(
    program,
    'status',
    'What keeps the queue, what a 250 means, what waits; exit 1 when no mail is taken or no relay lives',
    'status',
  ).action(act(printStatus))
  command(
    program,
    'processes',
    'Relay processes that share the queue, with roles, leases and last sign of life',
    'processes',
  ).action(act(listProcesses))
}

interface Json {
  readonly json?: true
}

async function printStatus(context: Context, options: Json): Promise<number> {
  const found = await statusOf(context)
  if (options.json === true) context.print(jsonLine(found))
  else
    for (const [name, text] of rowsOf(found, context.clock.now()))
      for (const line of wrap(printable(`${name.padEnd(11)}${text}`), context.columns, 11))
        context.print(`${line}\n`)
  return found.trouble === null && found.processes.alive > 0 ? 0 : 1
}

/** Every key is there, so that a program can rely on it. */
interface Found extends Omit<EngineStatus, 'trouble' | 'content' | 'recoveryPause'> {
  readonly trouble: string | null
  /** Milliseconds until deliveries begin. */
  readonly recoveryPause: number
  readonly content: string | null
  readonly processes: { readonly alive: number; readonly dead: number }
  /** Recipients that have not ended, by state. */
  readonly recipients: Readonly<Record<string, number>>
  readonly oldest: readonly Oldest[]
  /** Lanes that wait by themselves. */
  readonly suspended: number
  /** By site or named next hop, or by lane where no site is known; the longest first. */
  readonly stops: readonly Stop[]
  readonly holds: number
  /** Whose policy files have a mistake, and since when; those before them are in force. */
  readonly policies: readonly PolicyTrouble[]
}

interface Stop extends Omit<Suspension, 'lane' | 'site'> {
  readonly what: string
  readonly lanes: number
}

interface PolicyTrouble {
  /** The relay; absent where none runs. */
  readonly name?: string
  readonly since?: number
  readonly text: string
}

async function statusOf(context: Context): Promise<Found> {
  const either = await openEither(context)
  await using reader: QueueReader = either.kind === 'relay' ? either.relay : either.store
  // All at once: each answer that is waited for first costs the way there and back.
  const told =
    either.kind === 'relay'
      ? Promise.all([either.relay.engine(), either.relay.processes()])
      : ([leftIn(either.at), []] as const)
  const [counts, oldest, suspended, holds, [engine, processes]] = await Promise.all([
    reader.counts('state'),
    reader.oldest(),
    reader.suspensions(),
    reader.holds(),
    told,
  ])
  const dead = processes.filter(({ isDead }) => isDead).length
  const mistakes = processes.flatMap(({ name, isDead, policyProblem }) =>
    isDead || policyProblem === undefined ? [] : [{ name, ...policyProblem }],
  )
  return {
    ...engine,
    trouble: engine.trouble ?? null,
    content: engine.content ?? null,
    recoveryPause: engine.recoveryPause ?? 0,
    processes: { alive: processes.length - dead, dead },
    recipients: Object.fromEntries(counts.map(({ key, count }) => [key, count])),
    oldest,
    suspended: suspended.length,
    stops: stopsOf(suspended),
    holds: holds.length,
    policies: processes.length === dead ? await filesOf(context) : mistakes,
  }
}

function leftIn(at: string): EngineStatus {
  return {
    engine: 'sqlite',
    at,
    durability: 'every message is synced to disk before its 250',
    isRelaxed: false,
    trouble: 'No relay runs: no mail is taken, and none delivered; start it with `waypost start`',
  }
}

/** The lanes of one site wait for the same reason. */
function stopsOf(suspensions: readonly Suspension[]): Stop[] {
  const stops = new Map<string, Stop>()
  for (const { lane, site, ...rest } of suspensions) {
    const what = site ?? lane
    stops.set(what, { ...rest, what, lanes: (stops.get(what)?.lanes ?? 0) + 1 })
  }
  return [...stops.values()].sort((one, other) => one.since - other.since)
}

// Nobody is there to say it: the next start would stop at these.
async function filesOf(context: Context): Promise<readonly PolicyTrouble[]> {
  const { checkPolicy } = await import('../../policy/load.ts')
  const findings = await checkPolicy(context.places().config, context.environment)
  const errors = findings.filter(({ level }) => level === 'error')
  if (errors.length === 0) return []
  return [{ text: errors.map(({ at, text }) => `${at}: ${text}`).join('\n') }]
}

type Row = readonly [name: string, text: string]

/** Sites that are listed; --json lists all. */
const SHOWN = 20

function rowsOf(found: Found, now: number): Row[] {
  const { engine, at, content, durability, trouble, recoveryPause, server, disk } = found
  const { processes, recipients, holds } = found
  const waiting = Object.entries(recipients).map(([state, count]) => `${count} ${state}`)
  return [
    ...(trouble === null ? [] : [['trouble', trouble] as const]),
    ...found.policies.map(policyRow(now)),
    ['engine', `${engine} in ${at}`],
    ...(content === null ? [] : [['content', `in ${content}`] as const]),
    ['250 means', trouble === null ? durability : 'no mail is taken now'],
    ...(recoveryPause === 0 ? [] : [['deliveries', describeRecovery(recoveryPause)] as const]),
    ...(server === undefined ? [] : [['server', formatServer(server)] as const]),
    ...(disk === undefined
      ? []
      : [
          [
            'disk',
            `${formatSize(disk.free)} free, ${formatSize(disk.reserve)} in reserve`,
          ] as const,
        ]),
    ['processes', formatProcesses(processes)],
    ['recipients', waiting.length === 0 ? 'none wait' : waiting.join(', ')],
    ...oldestRows(found, now),
    ...stopRows(found, now),
    ...(holds === 0 ? [] : [['holds', `${holds} stand: see \`waypost queue holds\``] as const]),
  ]
}

function policyRow(now: number): (trouble: PolicyTrouble) => Row {
  return ({ name, since, text }) => {
    const lines = text.split('\n').filter((line) => !line.startsWith('Cannot use'))
    const what = `${lines[0] ?? text}${lines.length > 1 ? `, and ${lines.length - 1} more` : ''}`
    const whose = name === undefined ? '' : ` of ${name}`
    const so =
      since === undefined
        ? 'a relay would not start with them'
        : `those before them are in force since ${both(since, now)}`
    return [
      'policies',
      `The files${whose} have a mistake, and ${so}: ${what}; \`waypost policy check\` lists all`,
    ]
  }
}

function oldestRows({ oldest }: Found, now: number): Row[] {
  if (oldest.length === 0) return []
  const texts = oldest.map(({ state, queue, acceptedAt }) => {
    return `${age(acceptedAt, now)} ${state} in ${queue}`
  })
  return [['oldest', texts.join(', ')]]
}

function stopRows({ stops }: Found, now: number): Row[] {
  const rows = stops.slice(0, SHOWN).map(({ what, lanes, since, until, cause, reason }): Row => {
    const many = lanes === 1 ? '' : ` (${lanes} lanes)`
    const from = since === 0 ? '' : ` since ${both(since, now)},`
    return ['suspended', `${what}${many}${from} until ${both(until, now)}: ${cause}: ${reason}`]
  })
  const more = stops.length - rows.length
  return more > 0 ? [...rows, ['suspended', `and ${more} more: \`waypost status --json\``]] : rows
}

function describeRecovery(recoveryPause: number): string {
  return `begin in ${Math.ceil(recoveryPause / 1000)} s: Redis was restarted, and whoever was at work says first what came of it`
}

function formatProcesses({ alive, dead }: Found['processes']): string {
  const lost = dead === 0 ? '' : `, ${dead} dead within the last hour: see \`waypost processes\``
  return alive === 0
    ? `none lives, start one with \`waypost start\`${lost}`
    : `${alive} alive${lost}`
}

const BYTES = new Set(['maxmemory', 'used-memory'])

function formatServer(server: NonNullable<EngineStatus['server']>): string {
  return Object.entries(server)
    .map(([name, value]) => `${name} ${BYTES.has(name) ? formatMemory(Number(value)) : value}`)
    .join(', ')
}

// Redis calls no limit 0.
function formatMemory(bytes: number): string {
  return bytes === 0 ? 'none' : formatSize(bytes)
}

async function listProcesses(context: Context, options: Json): Promise<number> {
  await using relay = await openRelay(context)
  const processes = await relay.processes()
  if (options.json === true) for (const each of processes) context.print(jsonLine(each))
  else if (processes.length === 0)
    context.complain('No relay shares this queue; start one with `waypost start`\n')
  else context.print(formatProcessTable(processes, context))
  return processes.some(({ isDead }) => !isDead) ? 0 : 1
}

function formatProcessTable(processes: readonly ProcessEntry[], context: Context): string {
  const now = context.clock.now()
  const columns = [
    { title: 'NAME', least: 8 },
    { title: 'ROLES' },
    { title: 'LEASES', align: 'right' },
    { title: 'UP', align: 'right' },
    { title: 'SEEN' },
    { title: 'HOST', least: 8 },
    { title: 'PID', align: 'right' },
    { title: 'VERSION' },
    { title: 'SOURCES', least: 8 },
    { title: 'LISTENS ON', least: 10 },
  ] as const
  const rows = processes.map((each) => [
    each.name,
    each.roles.join(','),
    String(each.leases),
    age(each.startedAt, each.isDead ? each.seenAt : now),
    (each.isDead ? 'dead, ' : '') + relative(Math.min(each.seenAt, now), now),
    each.host,
    String(each.pid),
    each.version ?? '',
    each.sources.join(' '),
    each.listeners.join(' '),
  ])
  return formatTable(columns, rows, context.columns)
}
