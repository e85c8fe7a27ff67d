// Events that only the store can tell: what operators ended, and attempts of which nobody knows the
// end. They are said once their commit is through.

import type { Destination } from '../../../mail/destination.ts'
import type { RelayEvent } from '../../../mail/event.ts'
import { cancelledEvent } from '../../events.ts'
import { formatDeliveryId, formatId } from '../../ids.ts'
import type { DeliveryState } from './delivery.ts'
import type { OperatorAct } from '../../port/types.ts'
import type { Store } from './store.ts'
import type { CancelledRow, InterruptedRow, ToldRow } from '../schema/wire.ts'

export function tellInterrupted(store: Store, message: number, n: number): void {
  tell(store, { kind: 'interrupted', at: store.now, message, n })
}

export function tellCancelled(
  store: Store,
  [message, n, recipient]: readonly [message: number, n: number, recipient: number],
  { queue, destination }: DeliveryState,
  { who, why }: OperatorAct,
): void {
  type Subject = [acceptedAt: number, from: string, to: string]
  const found = store.sql.subject.get(message, recipient) as unknown as Subject | undefined
  if (found === undefined) return
  const [acceptedAt, from, to] = found
  const about = { at: store.now, message, n, acceptedAt, from, to, queue, destination }
  tell(store, { kind: 'cancelled', ...about, who, why })
}

function tell({ told, undo }: Store, row: ToldRow): void {
  told.push(row)
  undo.push(() => told.pop())
}

export function eventOf(row: ToldRow): RelayEvent {
  return row.kind === 'cancelled' ? eventOfCancelled(row) : interruptedEvent(row)
}

function eventOfCancelled(row: CancelledRow): RelayEvent {
  const { at, message, n, acceptedAt, from, to, queue } = row
  const [id, delivery] = [formatId(message), formatDeliveryId(message, n)]
  const destination = row.destination as Destination
  const about = { at, id, delivery, acceptedAt, from, to, queue, destination }
  return cancelledEvent(about, row)
}

function interruptedEvent({ at, message, n }: InterruptedRow): RelayEvent {
  return {
    kind: 'interrupted',
    at,
    id: formatId(message),
    delivery: formatDeliveryId(message, n),
  }
}
