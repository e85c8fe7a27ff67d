// `waypost queue list|show|counts|holds`: what is in the queue.

import { printable } from '../../base/escape.ts'
import { formatSize } from '../../base/units.ts'
import type { Command } from 'commander'
import type { Count, Entry, Filter, GroupBy, QueueReader } from '../../queue/port.ts'
import { CommandError, type Context } from '../context.ts'
import {
  addFilters,
  checkIds,
  filterOf,
  readCount,
  WAITING,
  type FilterOptions,
} from '../filter.ts'
import { messageOf } from '../lookup.ts'
import { jsonLine, plainEntry } from '../plain.ts'
import { command, type Act } from '../program.ts'
import { openReader } from '../reach.ts'
import { formatTable, type Column } from '../table.ts'
import { both, isoSeconds, relative } from '../times.ts'
import { addSteering } from './steer.ts'

const PAGE = 500

export function queueCommands(program: Command, act: Act): void {
  const queue = program.command('queue').description('See and steer the queue')
  addFilters(
    command(
      queue,
      'list',
      'Recipients that fit all filters; without: all that wait',
      'queue list --domain far.example --older-than 2h',
    ),
  )
    .option('--limit <count>', 'at most so many (50)', readCount)
    .option('--all', 'no limit')
    .action(act(listEntries))
  command(
    queue,
    'show <id>',
    'A message: envelope, recipients and what they wait for',
    'queue show ID',
  ).action(act(showMessage))
  command(queue, 'counts', 'How many recipients wait', 'queue counts --by domain --age')
    .option('--by <what>', 'state, queue, destination or domain', 'state')
    .option('--age', 'by age in minutes, as qshape does')
    .option('--limit <count>', 'the largest so many (20)', readCount)
    .action(act(printCounts))
  command(queue, 'holds', 'Holds that stand and cover new mail', 'queue holds').action(
    act(listHolds),
  )
  addSteering(queue, act)
}

interface ListOptions extends FilterOptions {
  readonly limit?: number
  readonly all?: true
  readonly json?: true
}

async function listEntries(context: Context, options: ListOptions): Promise<number> {
  await using reader = await openReader(context)
  checkIds(options.id ?? [])
  const filter = filterOf(options, context.clock.now(), WAITING)
  const limit = options.all === true ? Number.POSITIVE_INFINITY : (options.limit ?? 50)
  const printed = await printPages(context, reader, filter, limit, options.json === true)
  if (printed.count === 0 && options.json !== true)
    context.complain(
      'Nothing fits. Ended recipients are listed with --state, e.g. --state bounced\n',
    )
  if (printed.more && options.json !== true)
    context.complain(`There are more: --limit ${limit * 10}, or --all\n`)
  return printed.count === 0 ? 1 : 0
}

async function printPages(
  context: Context,
  reader: QueueReader,
  filter: Filter,
  limit: number,
  json: boolean,
): Promise<{ count: number; more: boolean }> {
  let count = 0
  let cursor: string | undefined
  do {
    const asked = Math.min(PAGE, limit - count)
    const page = await reader.find(filter, {
      limit: asked,
      ...(cursor === undefined ? {} : { cursor }),
    })
    cursor = page.cursor
    if (page.entries.length > 0) context.print(formatEntries(context, page.entries, json))
    count += page.entries.length
    await context.drained()
  } while (cursor !== undefined && count < limit && !context.signal.aborted)
  return { count, more: cursor !== undefined }
}

const COLUMNS: readonly Column[] = [
  { title: 'DELIVERY' },
  { title: 'STATE' },
  { title: 'TRIED', align: 'right' },
  { title: 'NEXT' },
  { title: 'FROM', least: 10 },
  { title: 'TO', least: 12 },
  { title: 'REPLY', least: 12 },
]

function formatEntries(context: Context, entries: readonly Entry[], json: boolean): string {
  if (json) return entries.map((entry) => jsonLine(plainEntry(entry))).join('')
  const now = context.clock.now()
  const rows = entries.map((entry) => [
    entry.delivery,
    entry.state,
    String(entry.attempts),
    entry.next === undefined ? '' : entry.next <= now ? 'now' : relative(entry.next, now),
    pathOf(entry.from),
    entry.to,
    entry.reply ?? entry.held?.why ?? '',
  ])
  return formatTable(COLUMNS, rows, context.columns)
}

async function showMessage(
  context: Context,
  id: string,
  options: { json?: true },
): Promise<number> {
  await using reader = await openReader(context)
  const trace = await reader.trace(messageOf(id))
  if (trace === undefined) throw notFound(id)
  const accepted = trace.facts.find((fact) => fact.kind === 'accepted')
  const { facts: _, ...rest } = trace
  if (options.json === true) {
    context.print(jsonLine({ ...rest, envelope: accepted?.envelope, at: accepted?.at }))
    return 0
  }
  const now = context.clock.now()
  context.print(`Message ${printable(trace.id)}\n`)
  if (accepted !== undefined) context.print(formatEnvelope(accepted, now))
  context.print('\n' + formatEntries(context, trace.entries, false))
  for (const { lane, site, until, reason } of trace.suspended)
    context.print(
      printable(`Suspended: ${site ?? lane} until ${both(until, now)}: ${reason}`) + '\n',
    )
  return 0
}

function formatEnvelope(
  accepted: Extract<import('../../queue/port.ts').Fact, { kind: 'accepted' }>,
  now: number,
): string {
  const { envelope, deliveries } = accepted
  const { submitter } = envelope
  const lines = [
    ['accepted', `${isoSeconds(accepted.at)} (${relative(accepted.at, now)})`],
    [
      'from',
      envelope.sender === undefined ? '<>' : `${envelope.sender.local}@${envelope.sender.domain}`,
    ],
    ['size', formatSize(envelope.size)],
    [
      'client',
      [submitter.client ?? 'the relay itself', submitter.user].filter(Boolean).join(', user '),
    ],
    ['protocol', `${submitter.protocol}, allowed by ${submitter.rule}`],
    ['message-id', envelope.messageIdField ?? ''],
    ['queue', [...new Set(deliveries.map(({ queue, rule }) => `${queue} (${rule})`))].join(', ')],
  ]
  return lines
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `  ${name!.padEnd(12)}${printable(text!)}\n`)
    .join('')
}

export function notFound(id: string): CommandError {
  return new CommandError(
    `Nothing is known of "${id}"; ended messages are forgotten after WAYPOST_HISTORY, \`waypost queue list\` shows what waits`,
  )
}

interface CountOptions {
  readonly by: string
  readonly age?: true
  readonly limit?: number
  readonly json?: true
}

const GROUPS: readonly GroupBy[] = ['state', 'queue', 'destination', 'domain']
/** Upper bounds in minutes: each is twice the one before, as in qshape. */
const AGES = [5, 10, 20, 40, 80, 160, 320, 640, 1280]

async function printCounts(context: Context, options: CountOptions): Promise<number> {
  const by = GROUPS.find((name) => name === options.by)
  if (by === undefined)
    throw new CommandError(`--by "${options.by}" is unknown, write ${GROUPS.join(', ')}`, 2)
  await using reader = await openReader(context)
  const ages = options.age === true ? AGES.map((minutes) => minutes * 60_000) : undefined
  const counts = (await reader.counts(by, ages)).toSorted((one, other) => other.count - one.count)
  if (options.json === true)
    for (const count of counts) context.print(jsonLine(plainCount(by, count)))
  else context.print(formatCounts(context, by, counts, options))
  return counts.length === 0 ? 1 : 0
}

function plainCount(by: GroupBy, { key, count, ages }: Count): object {
  const bands = ages?.map((band, index) => [bandName(index), band] as const)
  return { by, key, count, ...(bands === undefined ? {} : { ages: Object.fromEntries(bands) }) }
}

function bandName(index: number): string {
  return index < AGES.length ? String(AGES[index]) : `${AGES.at(-1)}+`
}

function formatCounts(
  context: Context,
  by: GroupBy,
  counts: readonly Count[],
  options: CountOptions,
): string {
  if (counts.length === 0) return 'Nothing waits\n'
  const bands = options.age === true ? [...AGES.keys(), AGES.length] : []
  const cells = ({ key, count, ages }: Count): string[] => [
    key,
    String(count),
    ...bands.map((band) => String(ages?.[band] ?? 0)),
  ]
  const shown = counts.slice(0, options.limit ?? 20)
  const total = {
    key: 'TOTAL',
    count: sum(counts.map(({ count }) => count)),
    ages: bands.map((band) => sum(counts.map(({ ages }) => ages?.[band] ?? 0))),
  }
  const columns: Column[] = [
    { title: by.toUpperCase(), least: 20 },
    { title: 'T', align: 'right' },
    ...bands.map((band): Column => ({ title: bandName(band), align: 'right' })),
  ]
  const more = counts.length - shown.length
  const rest = more > 0 ? `… and ${more} more: --limit ${counts.length}\n` : ''
  const head = options.age === true ? 'Waiting recipients by age in minutes\n' : ''
  return head + formatTable(columns, [total, ...shown].map(cells), context.columns) + rest
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

async function listHolds(context: Context, options: { json?: true }): Promise<number> {
  await using reader = await openReader(context)
  const holds = await reader.holds()
  if (options.json === true) {
    for (const hold of holds) context.print(jsonLine(hold))
  } else if (holds.length === 0) {
    context.print('No hold stands\n')
  } else {
    const rows = holds.map(({ scope, who, why, at }) => [
      scope.kind,
      scope.kind === 'all' ? '' : scope.name,
      isoSeconds(at),
      who,
      why,
    ])
    const columns = ['HOLD', 'NAME', 'SINCE', 'BY', 'REASON'].map((title) => ({ title, least: 8 }))
    context.print(formatTable(columns, rows, context.columns))
  }
  return 0
}

function pathOf(address: string): string {
  return address === '' ? '<>' : address
}
