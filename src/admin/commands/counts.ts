// `waypost queue counts`: how much waits, by state, queue, destination, sender, user or domain; with ages it is
// the table that Postfix users know as qshape.

import type { Command } from 'commander'
import { GROUPS } from '../../queue/port/reader.ts'
import type { Count, GroupBy } from '../../queue/port/reader.ts'
import { isEnd, STATES } from '../../mail/outcome.ts'
import { CommandError, type Context } from '../context.ts'
import { optionOf } from '../cli/options.ts'
import { readCount, readText } from '../query/terms.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { openReader } from '../control/reach.ts'
import { formatTable, type Column } from '../cli/table.ts'

export function addCounts(queue: Command, act: Act): void {
  command(queue, 'counts', 'How many recipients wait', 'queue counts --by domain --age')
    .addOption(
      optionOf(
        '--by <what>',
        `${GROUPS.slice(0, -1).join(', ')} or ${GROUPS.at(-1)}`,
        readText,
        'state',
      ),
    )
    .option('--age', 'by age in minutes, as qshape does')
    .addOption(optionOf('--limit <count>', 'the largest so many', readCount, '20'))
    .action(act(printCounts))
}

interface CountOptions {
  readonly by: string
  readonly age?: true
  readonly limit: number
  readonly json?: true
}

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
    for (const count of withZeros(by, counts)) context.print(jsonLine(plainCount(by, count)))
  else context.print(formatCounts(context, by, counts, options))
  return 0
}

// A program that asks how many are held is answered with a number when there are none.
function withZeros(by: GroupBy, counts: readonly Count[]): readonly Count[] {
  if (by !== 'state') return counts
  const live = STATES.filter((state) => !isEnd(state))
  const missing = live.filter((state) => !counts.some(({ key }) => key === state))
  return [...counts, ...missing.map((key) => ({ key, count: 0 }))]
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
  const shown = counts.slice(0, options.limit)
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
