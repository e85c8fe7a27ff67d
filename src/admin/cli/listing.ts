// Recipients as a list, for people or programs. A recipient whose lane is suspended shows when
// that ends and why, for its own next time would tell only half.

import type { Entry, QueueReader, Suspension } from '../../queue/port/reader.ts'
import type { Context } from '../context.ts'
import { byWhom, nameOf } from '../story/holds.ts'
import { jsonLine, plainEntry } from '../story/plain.ts'
import { formatTable, type Column } from './table.ts'
import { age, roughly } from '../story/times.ts'

export type Suspensions = ReadonlyMap<string, Suspension>

export async function suspensionsByLane(reader: QueueReader): Promise<Suspensions> {
  return new Map((await reader.suspensions()).map((each) => [each.lane, each]))
}

const COLUMNS: readonly Column[] = [
  { title: 'DELIVERY' },
  { title: 'STATE' },
  { title: 'AGE', align: 'right' },
  { title: 'TRIED', align: 'right' },
  { title: 'WHEN' },
  { title: 'FROM', least: 8 },
  { title: 'TO', least: 10 },
  { title: 'REPLY', least: 10 },
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
      age(entry.acceptedAt, now),
      String(entry.attempts),
      whenOf(entry, stop, now),
      entry.from === '' ? '<>' : entry.from,
      entry.to,
      reasonOf(entry) ?? stop?.reason ?? entry.reply ?? '',
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

function reasonOf({ held, refused }: Entry): string | undefined {
  if (refused !== undefined) return `refused ${byWhom(refused)}`
  if (held?.scope === undefined) return held?.why
  return `hold on ${nameOf(held.scope)}: ${held.why}`
}

// A suspension that ends before the recipient's own time keeps it from nothing.
function stopOf(entry: Entry, suspensions: Suspensions, now: number): Suspension | undefined {
  if (entry.state !== 'waiting') return undefined
  const stop = suspensions.get(entry.destination)
  return stop !== undefined && stop.until > Math.max(now, entry.next ?? 0) ? stop : undefined
}

// When it is tried next, or when it ended.
function whenOf({ next, endedAt }: Entry, stop: Suspension | undefined, now: number): string {
  const at = stop?.until ?? endedAt ?? next
  if (at === undefined) return ''
  return endedAt === undefined && at <= now ? 'now' : roughly(at, now)
}
