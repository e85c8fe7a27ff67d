// What became of a delivery, in one step: ends, next times, history, notices, and acts of
// operators that waited for its attempt to end.

import { acceptMail } from './accept.ts'
import { applyPending } from './act.ts'
import { addFact } from './changes.ts'
import { earliestDue, endDelivery, freed, heldUnder, liveRecipients } from './delivery.ts'
import { readDelivery, standingScope, writeDelivery } from './delivery.ts'
import type { DeliveryState } from './delivery.ts'
import { HELD, READY } from '../schema/schema.ts'
import type { Store } from './store.ts'
import { notFresh } from './fresh.ts'
import { stateBefore } from './take.ts'
import type { SettleRow } from '../schema/wire.ts'

export function settle(store: Store, row: SettleRow): void {
  const [message, n] = row
  const delivery = readDelivery(store, message, n)
  const fact = row[4]
  if (fact !== null && (delivery !== undefined || isKnown(store, message)))
    addFact(store, message, fact)
  const lapsed = store.leases.hasAnother(message, n, row[12])
  if (!lapsed) store.leases.settled(message, n, store.now)
  // It ended while its lease had lapsed: the fact is kept, the end stays as it was recorded.
  if (delivery === undefined) return
  const ends = row[3].filter(([, end]) => end !== null)
  if (!lapsed) writeTried(store, row)
  const ended = writeEnds(store, row, ends)
  // Of an end that came too late nobody is told: another was recorded.
  if (ended > 0 || ends.length === 0) for (const notice of row[10]) acceptMail(store, notice)
  if (ended >= delivery.live) return endDelivery(store, message, n)
  if (lapsed) writeDelivery(store, message, n, { ...delivery, live: delivery.live - ended })
  else goOn(store, row, delivery)
}

function isKnown(store: Store, message: number): boolean {
  return store.sql.known.get(message) !== undefined
}

function writeTried({ sql }: Store, [message, delivery, , results]: SettleRow): void {
  for (const [n, end, , attempted, due, reply] of results)
    if (end === null) sql.triedRecipient.run(attempted, due, reply, message, n, delivery)
}

/** How many recipients have ended by this. */
function writeEnds({ sql }: Store, [message, delivery, at]: SettleRow, ends: SettleRow[3]): number {
  let count = 0
  for (const [n, end, notice, attempted, , reply] of ends) {
    const done = sql.endRecipient.run(end, at, notice, attempted, reply, message, n, delivery)
    count += Number(done.changes)
  }
  return count
}

// Some recipients wait on: the delivery goes back to its lane, or where it should be by now.
function goOn(store: Store, row: SettleRow, delivery: DeliveryState): void {
  const [message, n, , , , attempted, last, expire, warn, moveTo] = row
  const { pending } = delivery
  const wasReady = delivery.state === READY
  notFresh(store, message)
  if (moveTo !== null) store.sql.redirect.run(moveTo, message, n)
  const before = backFrom(store, message, delivery)
  // Whoever took it did not know of a hold that has ended since.
  const more = before.heldFor - delivery.heldFor
  const next: DeliveryState = {
    ...before,
    destination: moveTo ?? delivery.destination,
    due: earliestDue(store, message, n),
    expire: expire === null ? before.expire : expire + more,
    warn: warn === undefined ? before.warn : warn === null ? null : warn + more,
    live: liveRecipients(store, message, n).length,
    last: attempted ? last : delivery.last,
    pending: null,
  }
  writeDelivery(store, message, n, withHold(store, next))
  // It had gone back to its lane when its lease lapsed, and counts there already.
  if (wasReady) store.lanes.recount(delivery.destination, store.now)
  if (pending !== null) applyPending(store, message, n, pending)
}

/** What it was before somebody took it. One that an operator has held while its lease had lapsed stays so. */
export function backFrom(store: Store, message: number, delivery: DeliveryState): DeliveryState {
  if (delivery.state !== HELD) return { ...delivery, state: stateBefore(delivery.scope) }
  // A standing hold is looked at anew: it may be in another lane by now.
  return delivery.scope === 'ids' ? delivery : freed(store, message, delivery)
}

/** Held, where a standing hold lies on such mail. */
export function withHold(store: Store, delivery: DeliveryState): DeliveryState {
  const scope = delivery.state === READY ? standingScope(store, delivery) : undefined
  return scope === undefined ? delivery : heldUnder(store, delivery, scope)
}
