// What an operator's act does to one delivery, or to some of its recipients. A delivery under
// way keeps the act until its attempt has ended.

import type { Act, OperatorAct } from '../../port/types.ts'
import { formatDeliveryId } from '../../ids.ts'
import type { HoldNote } from '../../holds.ts'
import { addFact } from './changes.ts'
import { earliestDue, freed, heldUnder, liveRecipients } from './delivery.ts'
import { readDelivery, split, standingScope, writeDelivery } from './delivery.ts'
import type { DeliveryState } from './delivery.ts'
import { tellCancelled } from './echo.ts'
import { HELD, READY, REFUSED, SWEPT, TAKEN } from '../schema/schema.ts'
import type { Store } from './store.ts'
import { notFresh } from './fresh.ts'
import { ENDS } from '../../../mail/outcome.ts'

interface Wish extends OperatorAct {
  readonly act: Act
  readonly recipients: readonly number[]
}

export type Done =
  | { readonly kind: 'done' | 'busy' | 'nothing' }
  /** It does not go on, because of a hold that stands. */
  | { readonly kind: 'kept'; readonly scope: string }

const [DONE, BUSY, NOTHING] = [{ kind: 'done' }, { kind: 'busy' }, { kind: 'nothing' }] as const

/** Records the act and does it, now or when the attempt has ended. */
export function act(store: Store, message: number, n: number, wish: Wish): Done {
  const delivery = readDelivery(store, message, n)
  if (delivery === undefined) return NOTHING
  const scope = LETS_GO.has(wish.act) ? standingScope(store, delivery) : undefined
  if (scope !== undefined && delivery.scope !== REFUSES.scope) {
    if (wish.act === 'release' && delivery.scope === 'ids') {
      tell(store, message, n, wish)
      apply(store, message, n, wish)
    }
    return { kind: 'kept', scope }
  }
  if (delivery.state === TAKEN || delivery.state === SWEPT) {
    const pending = parsePending(delivery.pending)
    if (wish.act === 'release' && !pending.some((each) => each.act === 'hold')) return NOTHING
    tell(store, message, n, wish)
    writeDelivery(store, message, n, {
      ...delivery,
      pending: JSON.stringify([...pending, wish]),
    })
    return BUSY
  }
  if (!APPLIES[wish.act](delivery)) return NOTHING
  tell(store, message, n, wish)
  apply(store, message, n, wish)
  return DONE
}

/**
 * Acts that waited for the attempt, on recipients that it has left: also where an act before has given some
 * of them a delivery of their own.
 */
export function applyPending(store: Store, message: number, n: number, pending: string): void {
  const parts = new Set([n])
  for (const wish of parsePending(pending))
    for (const part of Array.from(parts)) {
      const delivery = readDelivery(store, message, part)
      const live = liveRecipients(store, message, part)
      const recipients = live.filter((r) => wish.recipients.includes(r))
      if (delivery === undefined || recipients.length === 0) continue
      if (APPLIES[wish.act](delivery))
        parts.add(apply(store, message, part, { ...wish, recipients }))
    }
}

/** What means that mail goes on, which it does not while a hold stands on it. */
const LETS_GO = new Set<Act>(['release', 'retry'])

const APPLIES: Record<Act, (delivery: DeliveryState) => boolean> = {
  // On top of a hold that stands: it stays when that is gone.
  hold: ({ state, scope }) => state === READY || (state === HELD && scope !== 'ids'),
  release: ({ state }) => state === HELD,
  retry: ({ state }) => state === READY,
  refuse: ({ state }) => state !== REFUSED,
  cancel: () => true,
}

/** The number of the delivery that it was done to. */
function apply(store: Store, message: number, n: number, wish: Wish): number {
  notFresh(store, message)
  const { destination } = readDelivery(store, message, n)!
  const part = split(store, message, n, wish.recipients)
  const delivery = {
    ...readDelivery(store, message, part)!,
    due: earliestDue(store, message, part),
  }
  const by = JSON.stringify({ who: wish.who, why: wish.why, at: store.now } satisfies HoldNote)
  switch (wish.act) {
    case 'hold':
      change(store, message, part, { ...unheld(store, message, delivery), ...OWN, hold: by })
      break
    case 'release':
      change(store, message, part, released(store, message, delivery))
      break
    case 'retry':
      for (const r of wish.recipients) store.sql.dueNow.run(store.now, message, r)
      resume(store, destination)
      change(store, message, part, { ...delivery, due: store.now })
      break
    case 'refuse':
      change(store, message, part, {
        ...unheld(store, message, delivery),
        ...REFUSES,
        hold: by,
      })
      store.lanes.woken = true
      break
    case 'cancel':
      cancel(store, message, part, wish, delivery)
  }
  store.lanes.recount(destination, store.now)
  return part
}

const OWN = { state: HELD, scope: 'ids' } as const
const REFUSES = { state: REFUSED, scope: 'refuse' } as const

// How long another hold has kept it is counted before this one begins.
function unheld(store: Store, message: number, delivery: DeliveryState): DeliveryState {
  return delivery.state === HELD ? freed(store, message, delivery) : delivery
}

// A hold that stands on it takes over.
function released(store: Store, message: number, delivery: DeliveryState): DeliveryState {
  const scope = standingScope(store, delivery)
  return scope === undefined ? freed(store, message, delivery) : heldUnder(store, delivery, scope)
}

function change(store: Store, message: number, n: number, delivery: DeliveryState): void {
  writeDelivery(store, message, n, delivery)
}

// Whoever asks for an attempt now does not want it to wait for the lane's trouble to end.
function resume(store: Store, lane: string): void {
  if (!store.lanes.suspended.has(lane)) return
  const stop = store.lanes.suspended.get(lane)!
  store.sql.resume.run(lane)
  store.lanes.suspended.delete(lane)
  store.undo.push(() => store.lanes.suspended.set(lane, stop))
}

function cancel(
  store: Store,
  message: number,
  n: number,
  wish: Wish,
  delivery: DeliveryState,
): void {
  const code = ENDS.indexOf('cancelled')
  const { recipients } = wish
  for (const r of recipients) {
    store.sql.endRecipient.run(code, store.now, null, 0, null, message, r, n)
    tellCancelled(store, [message, n, r], delivery, wish)
  }
  writeDelivery(store, message, n, { ...delivery, live: delivery.live - recipients.length })
}

function tell(store: Store, message: number, n: number, wish: Wish): void {
  const { act, who, why } = wish
  const delivery = formatDeliveryId(message, n)
  addFact(store, message, { kind: 'act', at: store.now, act, delivery, who, why })
}

function parsePending(pending: string | null): Wish[] {
  return pending === null ? [] : (JSON.parse(pending) as Wish[])
}
