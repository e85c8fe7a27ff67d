// One row of the schedule: how it is read, changed, split, and how it ends.

import { lengthOfStay, scopesOf } from '../../holds.ts'
import type { HoldNote } from '../../holds.ts'
import { HELD, READY } from '../schema/schema.ts'
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
  /** JSON of who stopped it and why, and since when, for `held` and refused ones. */
  hold: string | null
  /** What holds it: `ids`, a standing hold, or `refuse`. */
  scope: string | null
  /** JSON of acts that wait until its attempt has ended. */
  pending: string | null
  heldFor: number
}

export function readDelivery(store: Store, message: number, n: number): DeliveryState | undefined {
  const row = store.sql.delivery.get(message, n)
  if (row === undefined) return undefined
  type Row = [number, string, string, number, number, number, number | null, number]
  type Texts = [...Row, string | null, string | null, string | null, string | null, number]
  const [state, destination, queue, priority, due, expire, warn, live, ...rest] =
    row as unknown as Texts
  const [last, hold, scope, pending, heldFor] = rest
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
    heldFor,
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
    now.heldFor,
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

/** The standing hold that lies on such mail, the widest first. */
export function standingScope(
  { holds }: Store,
  { destination, queue }: Pick<DeliveryState, 'destination' | 'queue'>,
): string | undefined {
  if (holds.size === 0) return undefined
  return scopesOf(destination, queue).find((scope) => holds.has(scope))
}

/** As it is when that hold lies on it. */
export function heldUnder(store: Store, delivery: DeliveryState, scope: string): DeliveryState {
  const since = delivery.state === HELD ? noteOf(delivery).at : undefined
  return { ...delivery, state: HELD, scope, hold: noteText(store, scope, since) }
}

/** JSON of who placed the hold that stands, and why. */
export function noteText({ holds, now }: Store, scope: string, since = now): string {
  const { who, why } = holds.get(scope)!
  return JSON.stringify({ who, why, at: since } satisfies HoldNote)
}

/** As it is when no hold lies on it any more: what it was held counts as no time that it had. */
export function freed(store: Store, message: number, delivery: DeliveryState): DeliveryState {
  const { expire, warn, heldFor } = delivery
  const { now, sql } = store
  const [acceptedAt] = sql.acceptedAt.get(message) as unknown as [number]
  const since = noteOf(delivery).at ?? now
  const more = lengthOfStay({ since, now, acceptedAt, expireAt: expire, heldFor })
  return {
    ...delivery,
    state: READY,
    hold: null,
    scope: null,
    expire: expire + more,
    warn: warn === null ? null : warn + more,
    heldFor: heldFor + more,
  }
}

function noteOf({ hold }: DeliveryState): HoldNote {
  return JSON.parse(hold!) as HoldNote
}
