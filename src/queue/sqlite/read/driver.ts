// Which index leads a search. The narrowest that the filter allows: ids, an address, what is
// still queued, what ended oddly, a domain, a queue, or else everything, newest first.

import type { DatabaseSync } from 'node:sqlite'

import { domainOf } from '../../../mail/destination.ts'
import { isEnd } from '../../../mail/outcome.ts'
import type { State } from '../../../mail/outcome.ts'
import type { Filter } from '../../port/reader.ts'
import { plainAddress } from '../../fits.ts'
import { ENTRY_COLUMNS } from './entry.ts'
import { numbersOf } from './numbers.ts'

export interface Driver {
  /** Takes `values`, then the newest and the oldest message. */
  readonly text: string
  readonly values: readonly (string | number)[]
  /** For ids: `message` or `message-n`. */
  readonly numbers?: ReadonlySet<string>
}

/** So many queued deliveries are looked through rather than all the history of a domain. */
const FEW = 50_000

export function driverOf(db: DatabaseSync, filter: Filter): Driver {
  const { ids, to, from, states } = filter
  if (ids !== undefined) return byIds(db, ids)
  if (to?.includes('@') === true) return byRecipient('r.address = ?', [plainAddress(to)])
  if (from === '<>' || from?.includes('@') === true) return bySender(plainAddress(from))
  const domain = filter.domain ?? to ?? ofMx(filter.destination)
  const live = states?.every((state) => !isEnd(state)) === true
  if (live && ((domain === undefined && filter.queue === undefined) || fewQueued(db)))
    return byDelivery(states)
  if (states?.every((state) => isEnd(state) && state !== 'delivered') === true)
    return byRecipient('r.ended > 0', [], 'INDEXED BY recipient_odd')
  if (domain !== undefined) return byRecipient('r.domain = ?', [domain.toLowerCase()])
  if (filter.queue !== undefined) return byRecipient('r.queue = ?', [filter.queue])
  return byRecipient('true', [])
}

/** The domain of a destination by MX, whose recipients are all of that domain; not of a hop. */
function ofMx(destination: string | undefined): string | undefined {
  return destination === undefined ? undefined : domainOf(destination)
}

const DELIVERY = `LEFT JOIN delivery d
  ON d.message = r.message AND d.n = r.delivery AND r.ended IS NULL`

function byIds(db: DatabaseSync, ids: readonly string[]): Driver {
  const found = numbersOf(db, ids)
  const list = JSON.stringify([...found.keys()])
  const driver = byRecipient('r.message IN (SELECT value FROM json_each(?))', [list])
  return { ...driver, numbers: new Set([...found.values()].flatMap((names) => [...names])) }
}

function byRecipient(where: string, values: readonly string[], index = ''): Driver {
  const text = `SELECT ${ENTRY_COLUMNS} FROM recipient r ${index}
    CROSS JOIN message m ON m.id = r.message ${DELIVERY}
    WHERE ${where} AND r.message <= ? AND r.message >= ? ORDER BY r.message DESC, r.n DESC`
  return { text, values }
}

function bySender(sender: string): Driver {
  const text = `SELECT ${ENTRY_COLUMNS} FROM message m
    CROSS JOIN recipient r ON r.message = m.id ${DELIVERY}
    WHERE m.sender = ? AND m.id <= ? AND m.id >= ? ORDER BY m.id DESC, r.n DESC`
  return { text, values: [sender] }
}

function byDelivery(states: readonly State[]): Driver {
  const only = states.length === 1 ? states[0] : undefined
  const where = only === 'held' ? 'd.state = 2' : only === 'sending' ? 'd.state IN (1, 4)' : 'true'
  const text = `SELECT ${ENTRY_COLUMNS} FROM delivery d
    CROSS JOIN recipient r ON r.message = d.message AND r.delivery = d.n AND r.ended IS NULL
    CROSS JOIN message m ON m.id = d.message
    WHERE ${where} AND d.message <= ? AND d.message >= ? ORDER BY d.message DESC, r.n DESC`
  return { text, values: [] }
}

function fewQueued(db: DatabaseSync): boolean {
  const counted = db.prepare(`SELECT count(*) AS c FROM (SELECT 1 FROM delivery LIMIT ${FEW})`)
  return Number(counted.get()?.['c']) < FEW
}
