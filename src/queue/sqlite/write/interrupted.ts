// Deliveries that somebody took and never settled: we died, or a lease lapsed. Each has had an
// attempt of which nobody knows the end, and is due at once; it may have arrived.

import type { LastAttempt } from '../../port/outflow.ts'
import { formatDeliveryId } from '../../ids.ts'
import { applyPending } from './act.ts'
import { addFact, commit } from './changes.ts'
import { readDelivery, writeDelivery } from './delivery.ts'
import { tellInterrupted } from './echo.ts'
import { SWEPT, TAKEN } from '../schema/schema.ts'
import { backFrom, withHold } from './settle.ts'
import type { Store } from './store.ts'
import { notFresh } from './fresh.ts'

const PAGE = 1000

/** After a crash. Runs in transactions of its own, page by page. */
export function recover(store: Store): void {
  for (;;) {
    const rows = store.sql.taken.all(PAGE) as unknown as [number, number][]
    if (rows.length === 0) return
    store.db.exec('BEGIN IMMEDIATE')
    for (const [message, n] of rows) giveBack(store, message, n)
    commit(store)
  }
}

/** Returns what lapsed leases had in hand. */
export function returnLapsed(store: Store): void {
  for (const { taken } of store.leases.lapse(store))
    for (const [message, n] of taken.values()) {
      store.leases.settled(message, n, store.now)
      giveBack(store, message, n)
    }
}

function giveBack(store: Store, message: number, n: number): void {
  const delivery = readDelivery(store, message, n)
  if (delivery === undefined) return
  const tried = delivery.state === TAKEN
  if (!tried && delivery.state !== SWEPT) return
  notFresh(store, message)
  if (tried) recordAttempt(store, message, n)
  const next = {
    ...backFrom(store, message, delivery),
    due: tried ? store.now : delivery.due,
    last: tried ? lastOf(delivery.last) : delivery.last,
    pending: null,
  }
  writeDelivery(store, message, n, withHold(store, next))
  if (delivery.pending !== null) applyPending(store, message, n, delivery.pending)
}

function recordAttempt(store: Store, message: number, n: number): void {
  store.sql.interrupted.run(store.now, message, n)
  const delivery = formatDeliveryId(message, n)
  addFact(store, message, { kind: 'interrupted', at: store.now, delivery })
  tellInterrupted(store, message, n)
}

// Where it went is known only from the attempt before: that host is tried first again.
function lastOf(before: string | null): string {
  const last = before === null ? {} : (JSON.parse(before) as LastAttempt)
  return JSON.stringify({ ...last, kind: 'interrupted' } satisfies LastAttempt)
}
