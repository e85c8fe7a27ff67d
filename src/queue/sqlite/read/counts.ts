// Counts of recipients that have not ended, by state, queue, destination and more, and by age:
// the table that Postfix users know as qshape. One pass over what is queued.

import type { DatabaseSync } from 'node:sqlite'

import { numberAt } from '../../ids.ts'
import type { Count, GroupBy } from '../../port/reader.ts'
import { rowsOf } from './reading.ts'

const LIVE = 'delivery d'
const RECIPIENTS = `delivery d CROSS JOIN recipient r
  ON r.message = d.message AND r.delivery = d.n AND r.ended IS NULL`

const MESSAGES = 'delivery d CROSS JOIN message m ON m.id = d.message'
const SUBMITTER = `coalesce(m.envelope ->> '$.submitter.user',
  '[' || (m.envelope ->> '$.submitter.client') || ']', 'relay')`

const SOURCES: Record<GroupBy, { key: string; from: string; each: string }> = {
  state: {
    key: `CASE WHEN d.state = 2 THEN 'held' WHEN d.state IN (1, 4) THEN 'sending'
      ELSE 'waiting' END`,
    from: LIVE,
    each: 'd.live',
  },
  queue: { key: 'd.queue', from: LIVE, each: 'd.live' },
  destination: { key: 'd.destination', from: LIVE, each: 'd.live' },
  domain: { key: 'r.domain', from: RECIPIENTS, each: '1' },
  sender: { key: `coalesce(nullif(m.sender, ''), '<>')`, from: MESSAGES, each: 'd.live' },
  user: { key: SUBMITTER, from: MESSAGES, each: 'd.live' },
}

/** Largest first. With `ages`, one figure for each bound and one for what is older than all. */
export function readCounts(
  db: DatabaseSync,
  by: GroupBy,
  ages: readonly number[] | undefined,
  now: number,
): Count[] {
  const { key, from, each } = SOURCES[by]
  const bands = ages === undefined ? [] : bandsOf(ages, now)
  const columns = bands.map(([newest, oldest]) => {
    return `, sum(iif(d.message < ${newest} AND d.message >= ${oldest}, ${each}, 0))`
  })
  const text = `SELECT ${key}, sum(${each}) ${columns.join('')} FROM ${from}
    GROUP BY 1 ORDER BY 2 DESC, 1`
  return rowsOf(db, text).map(([name, count, ...figures]) => ({
    key: String(name),
    count: Number(count),
    ...(ages === undefined ? {} : { ages: figures.map(Number) }),
  }))
}

/** Ages as ranges of ids, which are in order of time. */
function bandsOf(ages: readonly number[], now: number): (readonly [number, number])[] {
  const bounds = ages.map((age) => numberAt(now - age))
  const newer = [Number.MAX_SAFE_INTEGER, ...bounds]
  const older = [...bounds, 0]
  return newer.map((newest, index) => [newest, older[index]!] as const)
}
