// Recipients as a list, for people or programs. A recipient whose lane is suspended shows when
// that ends and why, for its own next time would tell only half.

import type { Entry, QueueReader, Suspension } from '../queue/port.ts'
import type { Context } from './context.ts'
import { jsonLine, plainEntry } from './plain.ts'
import { formatTable, type Column } from './table.ts'
import { relative } from './times.ts'

export type Suspensions = ReadonlyMap<string, Suspension>

export async function suspensionsByLane(reader: QueueReader): Promise<Suspensions> {
  return new Map((await reader.suspensions()).map((each) => [each.lane, each]))
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

export function formatEntries(
  context: Context,
  entries: readonly Entry[],
  suspensions: Suspensions,
  titled = true,
): string {
  const now = context.clock.now()
  const rows = entries.map((entry) => {
    const stop = stopOf(entry, suspensions, now)
    return [
      entry.delivery,
      entry.state,
      String(entry.attempts),
      stop === undefined ? nextOf(entry, now) : relative(stop.until, now),
      entry.from === '' ? '<>' : entry.from,
      entry.to,
      entry.held?.why ?? stop?.reason ?? entry.reply ?? '',
    ]
  })
  return formatTable(COLUMNS, rows, context.columns, titled)
}

export function jsonEntries(
  context: Context,
  entries: readonly Entry[],
  suspensions: Suspensions,
): string {
  const now = context.clock.now()
  return entries
    .map((entry) =>
      jsonLine({ ...plainEntry(entry), suspended: stopOf(entry, suspensions, now) ?? null }),
    )
    .join('')
}

// A suspension that ends before the recipient's own time keeps it from nothing.
function stopOf(entry: Entry, suspensions: Suspensions, now: number): Suspension | undefined {
  if (entry.state !== 'waiting') return undefined
  const stop = suspensions.get(entry.destination)
  return stop !== undefined && stop.until > Math.max(now, entry.next ?? 0) ? stop : undefined
}

function nextOf({ next }: Entry, now: number): string {
  if (next === undefined) return ''
  return next <= now ? 'now' : relative(next, now)
}
