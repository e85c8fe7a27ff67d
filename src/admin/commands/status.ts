// `waypost status` and `waypost processes`: what keeps the queue and what a 250 means there, what
// waits, and who shares it.

import type { Command } from 'commander'
import { formatSize } from '../../base/units.ts'
import type { EngineStatus, ProcessEntry, QueueControl } from '../../queue/port.ts'
import type { Context } from '../context.ts'
import { jsonLine } from '../plain.ts'
import { command, type Act } from '../program.ts'
import { openRelay } from '../reach.ts'
import { formatTable } from '../table.ts'
import { age, relative } from '../times.ts'
import { wrap } from '../wrap.ts'

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
  await using relay = await openRelay(context)
  const found = await statusOf(relay)
  if (options.json === true) context.print(jsonLine(found))
  else
    for (const [name, text] of rowsOf(found))
      for (const line of wrap(`${name.padEnd(11)}${text}`, context.columns, 11))
        context.print(`${line}\n`)
  return found.trouble === null && found.processes.alive > 0 ? 0 : 1
}

/** Every key is there, so that a program can rely on it. */
interface Found extends Omit<EngineStatus, 'trouble' | 'content' | 'calm'> {
  readonly trouble: string | null
  /** Milliseconds until deliveries begin. */
  readonly calm: number
  readonly content: string | null
  readonly processes: { readonly alive: number; readonly dead: number }
  /** Recipients that have not ended, by state. */
  readonly recipients: Readonly<Record<string, number>>
  readonly suspended: number
  readonly holds: number
}

async function statusOf(relay: QueueControl): Promise<Found> {
  const [engine, processes, counts, suspended, holds] = await Promise.all([
    relay.engine(),
    relay.processes(),
    relay.counts('state'),
    relay.suspensions(),
    relay.holds(),
  ])
  const dead = processes.filter(({ isDead }) => isDead).length
  return {
    ...engine,
    trouble: engine.trouble ?? null,
    content: engine.content ?? null,
    calm: engine.calm ?? 0,
    processes: { alive: processes.length - dead, dead },
    recipients: Object.fromEntries(counts.map(({ key, count }) => [key, count])),
    suspended: suspended.length,
    holds: holds.length,
  }
}

type Row = readonly [name: string, text: string]

function rowsOf(found: Found): Row[] {
  const { engine, at, content, durability, trouble, calm, server } = found
  const { processes, recipients, suspended, holds } = found
  const waiting = Object.entries(recipients).map(([state, count]) => `${count} ${state}`)
  return [
    ...(trouble === null ? [] : [['trouble', trouble] as const]),
    ['engine', `${engine} in ${at}`],
    ...(content === null ? [] : [['content', `in ${content}`] as const]),
    ['250 means', trouble === null ? durability : 'no mail is taken now'],
    ...(calm === 0 ? [] : [['deliveries', describeCalm(calm)] as const]),
    ...(server === undefined ? [] : [['server', formatServer(server)] as const]),
    ['processes', formatProcesses(processes)],
    ['recipients', waiting.length === 0 ? 'none wait' : waiting.join(', ')],
    ...(suspended === 0
      ? []
      : [['suspended', `${suspended} lanes: see \`waypost trace\``] as const]),
    ...(holds === 0 ? [] : [['holds', `${holds} stand: see \`waypost queue holds\``] as const]),
  ]
}

function describeCalm(calm: number): string {
  return `begin in ${Math.ceil(calm / 1000)} s: Redis was restarted, and whoever was at work says first what came of it`
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
