// How old what is queued is: for each queue and state the oldest that has not ended. A few index
// look-ups, however much is queued.

import type { DatabaseSync } from 'node:sqlite'

import { timeOf } from '../../ids.ts'
import type { Oldest } from '../../port/reader.ts'
import { rowsOf } from './reading.ts'

export function readOldest(db: DatabaseSync): Oldest[] {
  return [
    ...firstOfEach(db, 'waiting', 'state = 0'),
    ...sending(db),
    ...firstOfEach(db, 'held', 'state = 2'),
  ]
}

/** From queue to queue along an index whose order is queue, then age. */
function firstOfEach(db: DatabaseSync, state: Oldest['state'], which: string): Oldest[] {
  const text = firstAfter(which)
  const found: Oldest[] = []
  for (let queue = ''; ;) {
    const [row] = rowsOf(db, text, queue)
    if (row === undefined) return found
    queue = String(row[0])
    found.push({ state, queue, acceptedAt: timeOf(Number(row[1])) })
  }
}

export function firstAfter(which: string): string {
  return `SELECT queue, message FROM delivery WHERE ${which} AND queue > ?
    ORDER BY queue, message LIMIT 1`
}

// Never more than there are connections, and what these have taken ahead.
export const SENDING = `SELECT queue, min(message) FROM delivery WHERE state IN (1, 4) GROUP BY queue`

function sending(db: DatabaseSync): Oldest[] {
  return rowsOf(db, SENDING).map(([queue, message]) => {
    return { state: 'sending', queue: String(queue), acceptedAt: timeOf(Number(message)) }
  })
}
