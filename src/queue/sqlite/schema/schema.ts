// The tables, and how to find what in them.
//
// message    one row a message; its id is the rowid, so an age is a range of ids
// content    its bytes, up to 256 KB, until the last recipient ends (larger: a file content/<key>)
// delivery   what is queued, and only that: a delivery that ends leaves; index `ready` is the schedule
// recipient  one row each, from acceptance until the history forgets it; its live state is its delivery's
// fact       what happened, one row a settlement or act; acceptance is told by the message itself
// change     the order over all facts, one row a commit: its messages are numbered from the row's key on, and
//            a fact has its number as `seq`; where a message has no fact of that number it was accepted.
//            A row without messages says up to where the order is kept no more
// ended      messages that have ended, by time: what the history may forget first
// suspension, hold, once   small: lanes that wait, standing holds, keys that were used
// state      small state beside the mail, until a time or for ever
// chunk      only in a backup: large content, put back into files when the copy is first opened
//
// Measured with 4 KB messages and 40 a commit, accept, take and settle: 40 µs of CPU a message.
// Live states and `delivered` have no index of recipients, so that the usual mail touches few.

import type { DatabaseSync } from 'node:sqlite'

export const VERSION = 4
export const FILE = 'queue.db'
/** Content above this lives in a file of its own. */
export const SMALL = 256 * 1024

/** `delivery.state`. A refused delivery waits for its notice; a sweep takes what is overdue. */
export const READY = 0
export const TAKEN = 1
export const HELD = 2
export const REFUSED = 3
export const SWEPT = 4

// How old the oldest of a queue is. Measured: 1 µs of CPU a message, of about 50 in the store.
const OLDEST = `CREATE INDEX delivery_waiting ON delivery (queue, message) WHERE state = 0;
CREATE INDEX delivery_kept ON delivery (queue, message) WHERE state = 2;
`

// Numbers follow the clock (see changes.ts), so those of a store that is brought up to date come after its
// facts, which are numbered by message.
const CHANGE = `CREATE TABLE change (first INTEGER PRIMARY KEY, messages TEXT NOT NULL) STRICT;
`

const STATE = `CREATE TABLE state (
  key TEXT PRIMARY KEY, value TEXT NOT NULL, until INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX state_until ON state (until) WHERE until IS NOT NULL;
`

const TABLES = `
CREATE TABLE message (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, sender TEXT NOT NULL, size INTEGER NOT NULL,
  envelope TEXT NOT NULL, deliveries TEXT NOT NULL, alias TEXT, large TEXT
) STRICT;
CREATE INDEX message_sender ON message (sender);
CREATE UNIQUE INDEX message_alias ON message (alias) WHERE alias IS NOT NULL;

CREATE TABLE content (message INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE chunk (
  key TEXT NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (key, n)
) STRICT;

CREATE TABLE delivery (
  message INTEGER NOT NULL, n INTEGER NOT NULL, state INTEGER NOT NULL,
  destination TEXT NOT NULL, queue TEXT NOT NULL, priority INTEGER NOT NULL,
  due INTEGER NOT NULL, expire INTEGER NOT NULL, warn INTEGER, alarm INTEGER,
  live INTEGER NOT NULL, last TEXT, hold TEXT, scope TEXT, pending TEXT,
  held_for INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_ready ON delivery (destination, priority, due) WHERE state = 0;
${OLDEST}CREATE INDEX delivery_taken ON delivery (message, n) WHERE state IN (1, 4);
CREATE INDEX delivery_held ON delivery (message, n) WHERE state = 2;
CREATE INDEX delivery_scope ON delivery (scope) WHERE state = 2;
CREATE INDEX delivery_refused ON delivery (state) WHERE state = 3;
CREATE INDEX delivery_alarm ON delivery (alarm) WHERE alarm IS NOT NULL;

CREATE TABLE recipient (
  message INTEGER NOT NULL, n INTEGER NOT NULL, delivery INTEGER NOT NULL,
  address TEXT NOT NULL, domain TEXT NOT NULL, queue TEXT NOT NULL, destination TEXT,
  ended INTEGER, ended_at INTEGER, attempts INTEGER NOT NULL, due INTEGER NOT NULL,
  notice INTEGER, reply TEXT,
  PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_address ON recipient (address);
CREATE INDEX recipient_domain ON recipient (domain);
CREATE INDEX recipient_queue ON recipient (queue);
CREATE INDEX recipient_odd ON recipient (message, n, ended) WHERE ended > 0;

CREATE TABLE fact (
  message INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (message, seq)
) STRICT, WITHOUT ROWID;
${CHANGE}CREATE TABLE ended (
  at INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (at, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE suspension (
  lane TEXT PRIMARY KEY, site TEXT, until INTEGER NOT NULL, reason TEXT NOT NULL,
  since INTEGER NOT NULL DEFAULT 0, cause TEXT NOT NULL DEFAULT 'other'
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
  scope TEXT PRIMARY KEY, who TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE once (key TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX once_until ON once (until);
${STATE}`

/** Steps from one version to the next: the first leads from 1 to 2. */
const MIGRATIONS: readonly string[] = [
  `ALTER TABLE suspension ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE suspension ADD COLUMN cause TEXT NOT NULL DEFAULT 'other';
  ALTER TABLE delivery ADD COLUMN held_for INTEGER NOT NULL DEFAULT 0;
  ${OLDEST}`,
  CHANGE,
  STATE,
]

/** Creates or migrates the schema; refuses one that a newer relay wrote. */
export function migrate(db: DatabaseSync): void {
  const found = schemaVersion(db)
  if (found === VERSION) return
  checkVersion(found)
  db.exec('BEGIN IMMEDIATE')
  if (found === 0) db.exec(TABLES)
  else for (const step of MIGRATIONS.slice(found - 1)) db.exec(step)
  db.exec(`PRAGMA user_version = ${VERSION}; COMMIT`)
}

export function checkVersion(found: number): void {
  if (found > VERSION)
    throw new Error(
      `Cannot open the queue: its schema has version ${found}, this relay knows ${VERSION}; start a newer Waypost`,
    )
}

export function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
}

/** Before 3.51.3 a WAL reset could lose what a second connection reads. */
export function checkLibrary(db: DatabaseSync): void {
  const version = String(db.prepare('SELECT sqlite_version() AS version').get()?.['version'])
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major * 1_000_000 + minor * 1000 + patch < 3_051_003)
    throw new Error(`SQLite is ${version}, should be at least 3.51.3: use Node 24.15 or newer`)
}

/** What SQLite says of a file does not name it. */
export function named(path: string, error: unknown): unknown {
  const { errcode, message } = error as Error & { errcode?: number }
  if (errcode === undefined) return error
  const damaged = errcode === NOT_A_DATABASE || (errcode & 0xff) === CORRUPT
  const cure = damaged ? '; it is damaged: put a backup in its place, and keep it' : ''
  return new Error(`Cannot open the queue "${path}": ${message}${cure}`, { cause: error })
}

const CORRUPT = 11
const NOT_A_DATABASE = 26
