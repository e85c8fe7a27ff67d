// The statements that write, prepared once for a connection. Each is named for what it does.

import type { DatabaseSync, StatementSync } from 'node:sqlite'

export const STATEMENTS = {
  addMessage: `INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  addContent: `INSERT INTO content VALUES (?, ?)`,
  addDelivery: `INSERT INTO delivery VALUES
    (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, NULL, 0)`,
  addRecipient: `INSERT INTO recipient VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0, ?, NULL, NULL)`,
  addFact: `INSERT INTO fact VALUES (?, ?, ?)`,
  addChange: `INSERT INTO change VALUES (?, ?)`,
  lastChange: `SELECT first, messages FROM change ORDER BY first DESC LIMIT 1`,
  lastChangeOf: `SELECT first, messages FROM
    (SELECT first, messages FROM change WHERE first < ? ORDER BY first LIMIT ?)
    ORDER BY first DESC LIMIT 1`,
  forgetChanges: `DELETE FROM change WHERE first <= ?`,
  addEnded: `INSERT INTO ended VALUES (?, ?) ON CONFLICT DO NOTHING`,

  aliased: `SELECT id FROM message WHERE alias = ?`,
  onceUntil: `SELECT until FROM once WHERE key = ?`,
  useOnce: `INSERT OR REPLACE INTO once VALUES (?, ?)`,
  stateOf: `SELECT value, until FROM state WHERE key = ?`,
  addState: `INSERT INTO state VALUES (?, ?, ?)`,
  changeState: `UPDATE state SET value = ?, until = ? WHERE key = ?`,
  dropState: `DELETE FROM state WHERE key = ?`,
  countState: `SELECT count(*) FROM state`,
  forgetState: `DELETE FROM state WHERE key IN
    (SELECT key FROM state WHERE until IS NOT NULL AND until <= ? LIMIT ?)`,
  forgetOnce: `DELETE FROM once WHERE key IN (SELECT key FROM once WHERE until <= ? LIMIT 500)`,

  nextReady: `SELECT message, n, queue FROM delivery
    WHERE state = 0 AND destination = ? AND priority = ? AND due <= ? ORDER BY due LIMIT 1`,
  countReady: `SELECT count(*) FROM (SELECT 1 FROM delivery
    WHERE state = 0 AND destination = ? AND priority = ? AND due <= ? LIMIT ?)`,
  firstAfter: `SELECT due FROM delivery
    WHERE state = 0 AND destination = ? AND priority = ? AND due > ? ORDER BY due LIMIT 1`,
  nextPriority: `SELECT priority FROM delivery
    WHERE state = 0 AND destination = ? AND priority > ? ORDER BY priority LIMIT 1`,
  nextLane: `SELECT destination, priority, due FROM delivery
    WHERE state = 0 AND (destination, priority) > (?, ?) ORDER BY destination, priority, due LIMIT 1`,
  expired: `SELECT message, n FROM delivery
    WHERE alarm IS NOT NULL AND alarm <= ?1 AND expire <= ?1 AND state = 0 ORDER BY alarm LIMIT ?2`,
  warnable: `SELECT message, n FROM delivery
    WHERE alarm IS NOT NULL AND alarm <= ?1 AND warn <= ?1 AND expire > ?1 AND state = 0
    ORDER BY alarm LIMIT ?2`,
  refused: `SELECT message, n FROM delivery WHERE state = 3 LIMIT ?`,
  taken: `SELECT message, n FROM delivery WHERE state IN (1, 4) LIMIT ?`,

  setState: `UPDATE delivery SET state = ? WHERE message = ? AND n = ?`,
  delivery: `SELECT state, destination, queue, priority, due, expire, warn, live, last, hold, scope,
    pending, held_for FROM delivery WHERE message = ? AND n = ?`,
  changeDelivery: `UPDATE delivery SET state = ?, destination = ?, due = ?, expire = ?, warn = ?,
    alarm = ?, live = ?, last = ?, hold = ?, scope = ?, pending = ?, held_for = ? WHERE message = ? AND n = ?`,
  copyDelivery: `INSERT INTO delivery SELECT message, ?3, state, destination, queue, priority, due,
    expire, warn, alarm, ?4, last, hold, scope, NULL, held_for FROM delivery WHERE message = ?1 AND n = ?2`,
  lastNumber: `SELECT max(max(delivery), coalesce((SELECT max(n) FROM delivery WHERE message = ?1), 0))
    FROM recipient WHERE message = ?1`,
  setLive: `UPDATE delivery SET live = ? WHERE message = ? AND n = ?`,
  dropDelivery: `DELETE FROM delivery WHERE message = ? AND n = ?`,
  anyDelivery: `SELECT 1 FROM delivery WHERE message = ? LIMIT 1`,
  nextScope: `SELECT scope FROM delivery WHERE state = 2 AND scope > ? ORDER BY scope LIMIT 1`,
  pageAfter: `SELECT message, n, state, queue, live FROM delivery
    WHERE (message, n) > (?, ?) ORDER BY message, n LIMIT ?`,
  readyIn: `SELECT message, n, live FROM delivery WHERE state = 0 AND destination = ? LIMIT ?`,
  busy: `SELECT destination, queue, live FROM delivery WHERE state IN (1, 4)`,
  heldBy: `SELECT message, n FROM delivery WHERE state = 2 AND scope = ? LIMIT ?`,

  endRecipient: `UPDATE recipient SET ended = ?, ended_at = ?, notice = ?, attempts = attempts + ?,
    reply = coalesce(?, reply) WHERE message = ? AND n = ? AND delivery = ? AND ended IS NULL`,
  triedRecipient: `UPDATE recipient SET attempts = attempts + ?, due = coalesce(?, due),
    reply = coalesce(?, reply) WHERE message = ? AND n = ? AND delivery = ? AND ended IS NULL`,
  interrupted: `UPDATE recipient SET attempts = attempts + 1, due = ?
    WHERE message = ? AND delivery = ? AND ended IS NULL`,
  dueNow: `UPDATE recipient SET due = ? WHERE message = ? AND n = ? AND ended IS NULL`,
  earliest: `SELECT min(due) FROM recipient WHERE message = ? AND delivery = ? AND ended IS NULL`,
  liveOf: `SELECT n, attempts, due FROM recipient
    WHERE message = ? AND delivery = ? AND ended IS NULL ORDER BY n`,
  moveRecipient: `UPDATE recipient SET delivery = ? WHERE message = ? AND n = ?`,
  redirect: `UPDATE recipient SET destination = nullif(?, domain)
    WHERE message = ? AND delivery = ? AND ended IS NULL`,

  subject: `SELECT message.at, sender, address FROM message JOIN recipient ON message = id
    WHERE id = ? AND n = ?`,
  message: `SELECT at, envelope, size, large FROM message WHERE id = ?`,
  acceptedAt: `SELECT at FROM message WHERE id = ?`,
  known: `SELECT 1 FROM message WHERE id = ?`,
  large: `SELECT large FROM message WHERE id = ?`,
  content: `SELECT bytes FROM content WHERE message = ?`,
  dropContent: `DELETE FROM content WHERE message = ?`,
  liveKey: `SELECT 1 FROM message JOIN delivery ON delivery.message = message.id
    WHERE message.id = ? AND message.large = ? LIMIT 1`,

  oldest: `SELECT at, message FROM ended ORDER BY at LIMIT ?`,
  forgetEnded: `DELETE FROM ended WHERE at = ? AND message = ?`,
  forgetMessage: `DELETE FROM message WHERE id = ?`,
  forgetRecipients: `DELETE FROM recipient WHERE message = ?`,
  forgetFacts: `DELETE FROM fact WHERE message = ?`,

  hasten: `UPDATE suspension SET until = ? WHERE lane = ?`,
  suspend: `INSERT OR REPLACE INTO suspension VALUES (?, ?, ?, ?, ?, ?)`,
  resume: `DELETE FROM suspension WHERE lane = ?`,
  forgetSuspensions: `DELETE FROM suspension WHERE until <= ?`,
  suspensions: `SELECT lane, site, until, reason FROM suspension`,
  addHold: `INSERT OR REPLACE INTO hold VALUES (?, ?, ?, ?)`,
  dropHold: `DELETE FROM hold WHERE scope = ?`,
  holds: `SELECT scope, who, why, at FROM hold`,
  lastMessage: `SELECT coalesce(max(id), 0) FROM message`,
} as const

export type Statements = { readonly [Name in keyof typeof STATEMENTS]: StatementSync }

/** Rows come as arrays: objects with names cost more than the look-up itself. */
export function prepareAll(db: DatabaseSync): Statements {
  const entries = Object.entries(STATEMENTS).map(([name, text]) => {
    const statement = db.prepare(text)
    statement.setReturnArrays(true)
    return [name, statement] as const
  })
  return Object.fromEntries(entries) as Statements
}
