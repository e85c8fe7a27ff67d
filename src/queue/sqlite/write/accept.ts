// Mail comes into the store: message, content, deliveries and recipients, all or nothing.

import { parseId } from '../../ids.ts'
import { addChange } from './changes.ts'
import { noteText, standingScope } from './delivery.ts'
import { HELD, READY } from '../schema/schema.ts'
import { Refusal } from './store.ts'
import type { Store } from './store.ts'
import { applyEntries } from './state.ts'
import type { AcceptedRow, DeliveryRow, MailRow } from '../schema/wire.ts'

/** Priorities below are of the first band. */
const URGENT = 10
/** A suspended lane to which urgent mail comes is tried after this, in milliseconds. */
const SOON = 10_000

/** The id that the message has; mail that is there already stays as it is. */
export function acceptMail(store: Store, mail: MailRow): AcceptedRow {
  const [id, alias, at, sender, size, large, envelope, told, once, offset, length] = mail
  const { sql } = store
  const earlier = alias === null ? undefined : aliased(store, alias)
  if (earlier !== undefined) return [earlier, null]
  if (once !== null && sql.known.get(id) === undefined) checkOnce(store, once)
  const added = sql.addMessage.run(id, at, sender, size, envelope, told, alias, large)
  if (added.changes === 0) return [id, null]
  if (once !== null) sql.useOnce.run(...once)
  if (large === null) sql.addContent.run(id, store.content.subarray(offset, offset + length))
  addDeliveries(store, id, mail)
  addChange(store, id)
  const also = mail[13]
  return [id, also === null ? null : applyEntries(store, also)]
}

/** The number of a message from its text, whichever of the two forms it has. */
export function numberOf(store: Store, id: string): number | undefined {
  return parseId(id) ?? aliased(store, id)
}

function aliased(store: Store, alias: string): number | undefined {
  return (store.sql.aliased.get(alias) as unknown as [number] | undefined)?.[0]
}

function checkOnce(store: Store, [key]: readonly [string, number]): void {
  const used = store.sql.onceUntil.get(key) as unknown as [number] | undefined
  if (used !== undefined && used[0] > store.now)
    throw new Refusal('used', `The key "${key}" was used, and can be used again later`)
}

function addDeliveries(store: Store, id: number, mail: MailRow): void {
  const [fresh, deliveries] = [mail[11], mail[12]]
  for (const [index, delivery] of deliveries.entries()) addDelivery(store, id, index + 1, delivery)
  if (!fresh) return
  store.fresh.set(id, deliveries.length)
  store.undo.push(() => store.fresh.delete(id))
}

function addDelivery(store: Store, id: number, n: number, row: DeliveryRow): void {
  const [destination, queue, priority, due, expire, warn, recipients] = row
  const scope = standingScope(store, { destination, queue })
  const state = scope === undefined ? READY : HELD
  const alarm = scope === undefined ? Math.min(expire, warn ?? expire) : null
  const hold = scope === undefined ? null : noteText(store, scope)
  store.sql.addDelivery.run(
    id,
    n,
    state,
    destination,
    queue,
    priority,
    due,
    expire,
    warn,
    alarm,
    recipients.length,
    hold,
    scope ?? null,
  )
  for (const [number, address, domain] of recipients) {
    const elsewhere = destination === domain ? null : destination
    store.sql.addRecipient.run(id, number, n, address, domain, queue, elsewhere, due)
  }
  if (state !== READY) return
  if (priority < URGENT) hurry(store, destination)
  store.lanes.add(destination, priority, due, store.now)
}

// Urgent mail does not wait as long as what was there before: its lane is tried soon.
function hurry(store: Store, lane: string): void {
  const { suspended } = store.lanes
  const stop = suspended.get(lane)
  const until = store.now + SOON
  if (stop === undefined || stop.until <= until) return
  store.sql.hasten.run(until, lane)
  suspended.set(lane, { ...stop, until })
  store.undo.push(() => suspended.set(lane, stop))
}
