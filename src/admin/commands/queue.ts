// `waypost queue list|show|holds`: what is in the queue.

import { printable } from '../../base/escape.ts'
import { formatSize } from '../../base/units.ts'
import type { Command } from 'commander'
import type { Fact } from '../../queue/port/history.ts'
import type { Filter, QueueReader } from '../../queue/port/reader.ts'
import type { Context } from '../context.ts'
import { checkIds, filterOf, givenTerms, readCount, type Query, WAITING } from '../query/terms.ts'
import { holdsOn, optionOf } from '../story/holds.ts'
import { formatEntries, jsonEntries, suspensionsByLane } from '../cli/listing.ts'
import { addFilters, optionOf as option } from '../cli/options.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { openReader } from '../control/reach.ts'
import { formatTable } from '../cli/table.ts'
import { isoSeconds, relative } from '../story/times.ts'
import { wrap } from '../cli/wrap.ts'

const PAGE = 500

export function addReading(queue: Command, act: Act): void {
  addFilters(
    command(
      queue,
      'list',
      'Recipients that fit all filters; without: all that wait',
      'queue list --domain far.example --older-than 2h',
    ),
  )
    .addOption(option('--limit <count>', 'at most so many', readCount, '50'))
    .option('--all', 'no limit')
    .action(act(listEntries))
  command(
    queue,
    'show <id>',
    'A message: envelope, recipients and what they wait for',
    'queue show ID',
  ).action(act(showMessage))
}

export function addHolds(queue: Command, act: Act): void {
  command(queue, 'holds', 'Holds that stand and cover new mail', 'queue holds').action(
    act(listHolds),
  )
}

interface ListOptions extends Query {
  readonly limit: number
  readonly all?: true
  readonly json?: true
}

async function listEntries(context: Context, options: ListOptions): Promise<number> {
  checkIds(options.id ?? [])
  await using reader = await openReader(context)
  const filter = filterOf(options, context.clock.now(), WAITING)
  const limit = options.all === true ? Number.POSITIVE_INFINITY : options.limit
  const printed = await printPages(context, reader, filter, limit, options.json === true)
  // An empty queue is an answer; a filter that nothing fits has found nothing.
  const sought = givenTerms(options).length > 0
  if (printed.count === 0 && options.json !== true)
    context.complain(
      sought ? 'Nothing fits; what has ended is listed with --state\n' : 'Nothing waits\n',
    )
  if (printed.more && options.json !== true)
    context.complain(`There are more: --limit ${limit * 10}, or --all\n`)
  return printed.count === 0 && sought ? 1 : 0
}

async function printPages(
  context: Context,
  reader: QueueReader,
  filter: Filter,
  limit: number,
  json: boolean,
): Promise<{ count: number; more: boolean }> {
  const format = json ? jsonEntries : formatEntries
  const asked = suspensionsByLane(reader) // on the way together with the first page
  const holds = new Map<string, string>()
  let count = 0
  let cursor: string | undefined
  do {
    const most = Math.min(PAGE, limit - count)
    const [suspensions, page] = await Promise.all([
      asked,
      reader.find(filter, { limit: most, ...(cursor === undefined ? {} : { cursor }) }),
    ])
    cursor = page.cursor
    if (page.entries.length > 0)
      context.print(format(context, page.entries, suspensions, count === 0))
    count += page.entries.length
    holdsOn(page.entries, holds)
    await context.drained()
  } while (cursor !== undefined && count < limit && !context.signal.aborted)
  if (!json) for (const hold of holds.values()) context.complain(sentence(hold))
  return { count, more: cursor !== undefined }
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${printable(text.slice(1))}\n`
}

async function showMessage(
  context: Context,
  id: string,
  options: { json?: true },
): Promise<number> {
  await using reader = await openReader(context)
  const { notFound, traceOf } = await import('../query/lookup.ts')
  const trace = await traceOf(reader, id)
  if (trace === undefined) throw notFound(id)
  const accepted = trace.facts.find((fact) => fact.kind === 'accepted')
  const { facts: _, ...rest } = trace
  if (options.json === true) {
    context.print(jsonLine({ ...rest, envelope: accepted?.envelope, at: accepted?.at }))
    return 0
  }
  const now = context.clock.now()
  context.print(`Message ${printable(trace.id)}\n`)
  const envelope = accepted === undefined ? [] : await describeEnvelope(accepted, now)
  const lines = envelope.flatMap((line) => wrap(line, context.columns, 14))
  context.print(lines.map((line) => `${line}\n`).join(''))
  const stops = trace.suspended.map((each) => [each.lane, each] as const)
  context.print('\n' + formatEntries(context, trace.entries, new Map(stops)))
  for (const hold of holdsOn(trace.entries)) context.print(`\n${sentence(hold)}`)
  return 0
}

async function describeEnvelope(
  accepted: Extract<Fact, { kind: 'accepted' }>,
  now: number,
): Promise<string[]> {
  const { describeSubmitter } = await import('../story/story.ts')
  const { envelope, deliveries } = accepted
  const lines = [
    ['accepted', `${isoSeconds(accepted.at)} (${relative(accepted.at, now)})`],
    [
      'from',
      envelope.sender === undefined ? '<>' : `${envelope.sender.local}@${envelope.sender.domain}`,
    ],
    ['size', formatSize(envelope.size)],
    ['submitted', describeSubmitter(envelope.submitter)],
    ['message-id', envelope.messageIdField ?? ''],
    ['queue', [...new Set(deliveries.map(({ queue, rule }) => `${queue} (${rule})`))].join(', ')],
  ]
  return lines
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `  ${name!.padEnd(12)}${printable(text!)}`)
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
      `waypost queue release ${optionOf(scope)}`,
    ])
    const columns = ['HOLD', 'NAME', 'SINCE', 'BY', 'REASON', 'ENDED BY'].map((title) => ({
      title,
      least: 8,
    }))
    context.print(formatTable(columns, rows, context.columns))
  }
  return 0
}
