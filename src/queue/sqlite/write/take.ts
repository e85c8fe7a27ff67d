// Deliveries go out: drawn from a lane, or because their time has come.

import type { HoldNote } from '../../holds.ts'
import type { LastAttempt } from '../../port/outflow.ts'
import type { OperatorAct } from '../../port/types.ts'
import { readDelivery, standingScope } from './delivery.ts'
import { notFresh, setFresh } from './fresh.ts'
import { holdDelivery } from './hold.ts'
import type { Held } from './leases.ts'
import { REFUSED, SWEPT, TAKEN } from '../schema/schema.ts'
import type { Store } from './store.ts'
import type { LoadedRow, TakenRow } from '../schema/wire.ts'

/** Deliveries of a held queue that one call puts aside, before others have their turn. */
const PUT_ASIDE = 100

/** The most urgent, then oldest due delivery of the lease's lane; from here on it is `sending`. */
export function take(store: Store, id: string): TakenRow {
  const lease = store.leases.get(id)
  // A lease that has lapsed gives nothing: its lane waits for whoever claims it.
  if (lease === undefined) return ['idle', null]
  const lane = store.lanes.get(lease.lane)
  for (let aside = 0; aside < PUT_ASIDE; aside++) {
    const row = store.lanes.next(lane, store.now)
    if (row === undefined) return ['idle', store.lanes.idleUntil(lane, store.now)]
    const [message, n, queue] = row
    const scope = `queue:${queue}`
    if (store.holds.size === 0 || !store.holds.has(scope)) return takeThis(store, lease, message, n)
    holdDelivery(store, message, n, scope)
  }
  return ['idle', store.now]
}

function takeThis(store: Store, lease: Held, message: number, n: number): TakenRow {
  store.sql.setState.run(TAKEN, message, n)
  store.leases.took(lease, message, n)
  const left = store.fresh.get(message)
  if (left === undefined) return ['loaded', load(store, message, n)!]
  setFresh(store, message, left - 1)
  store.undo.push(() => store.fresh.set(message, left))
  return ['fresh', message, n]
}

/** Deliveries whose time has come, whatever lanes and leases say. */
export function takeOverdue(
  store: Store,
  kind: 'expire' | 'warn' | 'refuse',
  count: number,
): LoadedRow[] {
  const { sql, now } = store
  const taken: LoadedRow[] = []
  for (let aside = 0; taken.length < count && aside < PUT_ASIDE;) {
    const wanted = count - taken.length
    const found =
      kind === 'refuse'
        ? sql.refused.all(wanted)
        : (kind === 'expire' ? sql.expired : sql.warnable).all(now, wanted)
    for (const [message, n] of found as unknown as [number, number][]) {
      const row = kind === 'refuse' ? sweep(store, message, n) : sweepUnheld(store, message, n)
      if (row === undefined) aside++
      else taken.push(row)
    }
    if (found.length < wanted) break
  }
  return taken
}

// A hold that was placed just now may not have come to it: held mail neither expires nor warns.
function sweepUnheld(store: Store, message: number, n: number): LoadedRow | undefined {
  const scope = standingScope(store, readDelivery(store, message, n)!)
  if (scope !== undefined) {
    holdDelivery(store, message, n, scope)
    return undefined
  }
  const row = sweep(store, message, n)
  store.lanes.recount(row.destination, store.now)
  return row
}

function sweep(store: Store, message: number, n: number): LoadedRow {
  const row = load(store, message, n)!
  store.sql.setState.run(SWEPT, message, n)
  notFresh(store, message)
  return row
}

/** A delivery with all that an attempt needs, content of a usual size included. */
export function load(store: Store, message: number, n: number): LoadedRow | undefined {
  const { sql } = store
  const delivery = readDelivery(store, message, n)
  const found = sql.message.get(message) as unknown as [number, string, number, string | null]
  if (delivery === undefined || found === undefined) return undefined
  const [at, envelope, size, large] = found
  const content = large === null ? sql.content.get(message) : undefined
  const { destination, queue, expire, warn, heldFor } = delivery
  return {
    message,
    n,
    destination,
    queue,
    at,
    envelope,
    size,
    large,
    expire,
    warn,
    heldFor,
    last: delivery.last === null ? null : (JSON.parse(delivery.last) as LastAttempt),
    refuse: delivery.scope === 'refuse' ? refusalOf(delivery.hold!) : null,
    recipients: sql.liveOf.all(message, n) as unknown as LoadedRow['recipients'],
    bytes: (content as unknown as [Uint8Array] | undefined)?.[0] ?? null,
  }
}

function refusalOf(hold: string): OperatorAct {
  const { who, why } = JSON.parse(hold) as HoldNote
  return { who, why }
}

/** What a refused or a waiting delivery goes back to after a sweep that came to nothing. */
export function stateBefore(scope: string | null): number {
  return scope === 'refuse' ? REFUSED : 0
}
