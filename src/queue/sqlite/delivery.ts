// One row of the schedule: how it is read, changed, split, and how it ends.

import { READY } from './schema.ts'
import type { Store } from './store.ts'

export interface DeliveryState {
  state: number
  destination: string
  queue: string
  priority: number
  due: number
  expire: number
  warn: number | null
  live: number
  last: string | null
  /** JSON of who stopped it and why, for `held` and refused ones. */
  hold: string | null
  /** What holds it: `ids`, a standing hold, or `refuse`. */
  scope: string | null
  /** JSON of acts that wait until its attempt has ended. */
  pending: string | null
}

export function readDelivery(store: Store, message: number, n: number): DeliveryState | undefined {
  const row = store.sql.delivery.get(message, n)
  if (row === undefined) return undefined
  type Row = [number, string, string, number, number, number, number | null, number]
  type Texts = [...Row, string | null, string | null, string | null, string | null]
  const [state, destination, queue, priority, due, expire, warn, live, last, hold, scope, pending] =
    row as unknown as Texts
  return {
    state,
    destination,
    queue,
    priority,
    due,
    expire,
    warn,
    live,
    last,
    hold,
    scope,
    pending,
  }
}

/** Writes the row, or ends it when no recipient waits; a ready one takes its place in its lane. */
export function writeDelivery(store: Store, message: number, n: number, now: DeliveryState): void {
  if (now.live <= 0) return endDelivery(store, message, n)
  const ready = now.state === READY
  // Held mail neither expires nor warns, and refused mail ends anyway.
  const alarm = ready || now.scope === null ? Math.min(now.expire, now.warn ?? now.expire) : null
  store.sql.changeDelivery.run(
    now.state,
    now.destination,
    now.due,
    now.expire,
    now.warn,
    alarm,
    now.live,
    now.last,
    now.hold,
    now.scope,
    now.pending,
    message,
    n,
  )
  if (ready) store.lanes.add(now.destination, now.priority, now.due, store.now)
}

/** The delivery has no more to do; with the last one of a message its content goes. */
export function endDelivery(store: Store, message: number, n: number): void {
  const { sql } = store
  sql.dropDelivery.run(message, n)
  if (sql.anyDelivery.get(message) !== undefined) return
  if (Number(sql.dropContent.run(message).changes) === 0) {
    const large = (sql.large.get(message) as unknown as [string | null] | undefined)?.[0]
    if (typeof large === 'string') store.unlink.push(large)
  }
  sql.addEnded.run(store.now, message)
}

/** The earliest time of its waiting recipients. */
export function earliestDue(store: Store, message: number, n: number): number {
  return (store.sql.earliest.get(message, n) as unknown as [number | null])[0] ?? store.now
}

export function liveRecipients(store: Store, message: number, n: number): number[] {
  return (store.sql.liveOf.all(message, n) as unknown as [number][]).map(([number]) => number)
}

/**
 * Gives some of a delivery's waiting recipients a delivery of their own, so that an act reaches
 * them alone. The number of the one that has them, which is the old one when it has no others.
 */
export function split(store: Store, message: number, n: number, chosen: readonly number[]): number {
  const { sql } = store
  const live = liveRecipients(store, message, n)
  if (chosen.length >= live.length) return n
  const [last] = sql.lastNumber.get(message) as unknown as [number]
  sql.copyDelivery.run(message, n, last + 1, chosen.length)
  sql.setLive.run(live.length - chosen.length, message, n)
  for (const number of chosen) sql.moveRecipient.run(last + 1, message, number)
  return last + 1
}

export function addFact(store: Store, message: number, fact: object): void {
  store.sql.addFact.run(message, JSON.stringify(fact))
}
