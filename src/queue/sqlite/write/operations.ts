// What each operation of the wire does, and what it answers. Runs inside the batch's transaction.

import type { TroubleFacts } from '../../port/outflow.ts'
import { acceptMail } from './accept.ts'
import { liftHold, markPage, placeHold, unmarkPage } from './hold.ts'
import { Refusal, unlinkEnded } from './store.ts'
import type { Store } from './store.ts'
import { settle } from './settle.ts'
import { applyEntries } from './state.ts'
import { steerPage } from './steer.ts'
import { load, take, takeOverdue } from './take.ts'
import { orphansOf, trim } from './trim.ts'
import type { Operation, SettledRow, SettleRow } from '../schema/wire.ts'

export function run(store: Store, operation: Operation): unknown {
  switch (operation[0]) {
    case 'accept':
      return acceptMail(store, operation[1])
    case 'settle':
      return settleAndTake(store, operation[1])
    case 'take':
      return take(store, operation[1])
    case 'claim':
      return store.leases.claim(operation[1], store)
    case 'release':
      return store.leases.release(operation[1], store.now)
    case 'renew':
      return store.leases.renew(operation[1], store)
    case 'load':
      return load(store, operation[1], operation[2])
    case 'overdue':
      return takeOverdue(store, operation[1], operation[2])
    case 'nextDue':
      return store.lanes.nextDue(store.now)
    case 'tick':
      return undefined
    case 'spare':
      return spareOf(store)
    case 'full':
      return setFull(store, operation[1], operation[2])
    case 'suspend':
      return suspend(store, operation[1], operation[2], operation[3], operation[4], operation[5])
    case 'steer':
      return steerPage(store, operation[1], operation[2], operation[3], operation[4])
    case 'hold':
      return placeHold(store, operation[1], operation[2])
    case 'unhold':
      return liftHold(store, operation[1])
    case 'mark':
      return markPage(store, operation[1], operation[2])
    case 'unmark':
      return unmarkPage(store, operation[1], operation[2])
    case 'trim':
      return trim(store, operation[1], operation[2])
    case 'known':
      return orphansOf(store, operation[1])
    case 'keep':
      return keepFiles(store, operation[1])
    case 'state':
      return applyEntries(store, operation[1])
  }
}

function settleAndTake(store: Store, row: SettleRow): SettledRow {
  settle(store, row)
  const [next, also] = [row[11], row[13]]
  const answers = also === null ? null : applyEntries(store, also)
  return [next === null ? null : take(store, next), answers]
}

/** Bytes of the database's file that hold nothing: it never shrinks, and grows only without them. */
function spareOf({ db }: Store): number {
  const read = (name: string): number =>
    Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
  return read('freelist_count') * read('page_size')
}

function setFull(store: Store, lanes: readonly string[], full: boolean): void {
  for (const lane of lanes)
    if (full) store.lanes.full.add(lane)
    else if (store.lanes.full.delete(lane)) store.lanes.place(store.lanes.get(lane), store.now)
}

function suspend(
  store: Store,
  lanes: readonly string[],
  site: string | null,
  until: number,
  reason: string,
  { cause = 'other', since = store.now }: TroubleFacts,
): void {
  if (lanes.length === 0 && site === null) throw new Refusal('wrong', 'No lanes to suspend')
  const { suspended } = store.lanes
  for (const lane of lanes) {
    const before = suspended.get(lane)
    if (until > store.now) {
      store.sql.suspend.run(lane, site, until, reason, since, cause)
      suspended.set(lane, { site, until, reason })
    } else if (suspended.delete(lane)) store.sql.resume.run(lane)
    store.undo.push(() =>
      before === undefined ? suspended.delete(lane) : suspended.set(lane, before),
    )
    store.lanes.place(store.lanes.get(lane), store.now)
  }
}

function keepFiles(store: Store, keep: boolean): void {
  store.keepFiles = keep
  if (!keep) unlinkEnded(store)
}
