// The schema keeps its word: whatever the queue looks up, an index leads to it.

import { DatabaseSync } from 'node:sqlite'

import { expect, test } from 'vitest'

import type { Filter } from '../../src/queue/port/reader.ts'
import { driverOf } from '../../src/queue/sqlite/read/driver.ts'
import { firstAfter, SENDING } from '../../src/queue/sqlite/read/oldest.ts'
import { migrate } from '../../src/queue/sqlite/schema/schema.ts'
import { STATEMENTS } from '../../src/queue/sqlite/schema/statements.ts'

const db = new DatabaseSync(':memory:')
migrate(db)

/** Small tables that are read whole, a partial index that is meant whole, and the newest row. */
const WHOLE = [
  'suspensions',
  'forgetSuspensions',
  'holds',
  'refused',
  'taken',
  'busy',
  'oldest',
  'lastMessage',
  'lastChange',
  'countState',
]

for (const [name, text] of Object.entries(STATEMENTS))
  test(`the statement "${name}" scans no table`, () => {
    const scans = planOf(text).filter((line) => /^SCAN (?!\()/.test(line))
    if (!WHOLE.includes(name)) expect(scans).toEqual([])
    else expect(scans.join()).not.toMatch(/SCAN (delivery|recipient|message|fact)$/)
  })

const drivers: [what: string, filter: Filter, index: RegExp][] = [
  ['an address', { to: 'a@b.example' }, /recipient_address \(address=\?/],
  ['a sender', { from: 'a@b.example' }, /message_sender \(sender=\?/],
  ['a domain', { domain: 'b.example' }, /recipient_domain \(domain=\?/],
  ['a destination', { destination: 'b.example' }, /recipient_domain \(domain=\?/],
  ['a queue', { queue: 'bulk' }, /recipient_queue \(queue=\?/],
  ['held mail', { states: ['held'] }, /delivery_held/],
  ['mail under way', { states: ['sending'] }, /delivery_taken/],
  ['waiting mail', { states: ['waiting'] }, /SEARCH d USING PRIMARY KEY \(message/],
  ['odd ends', { states: ['bounced', 'expired'] }, /recipient_odd/],
  ['all', {}, /SEARCH r USING PRIMARY KEY \(message/],
]
for (const [what, filter, index] of drivers)
  test(`finding by ${what} follows an index, in the order of the pages`, () => {
    const plan = planOf(driverOf(db, filter).text).join('\n')
    expect(plan).toMatch(index)
    expect(plan).not.toMatch(/TEMP B-TREE FOR ORDER BY/)
  })

for (const [what, text, index] of [
  ['that waits', firstAfter('state = 0'), /delivery_waiting \(queue>\?/],
  ['that is held', firstAfter('state = 2'), /delivery_kept \(queue>\?/],
  ['that is being sent', SENDING, /delivery_taken/],
] as const)
  test(`the oldest ${what} is found along an index`, () => {
    const plan = planOf(text).join('\n')
    expect(plan).toMatch(index)
    expect(plan).not.toMatch(/TEMP B-TREE FOR ORDER BY/)
  })

function planOf(text: string): string[] {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${text}`)
    .all()
    .map((row) => String(row['detail']))
}
