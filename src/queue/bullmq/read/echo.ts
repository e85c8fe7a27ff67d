// Events that only the scripts can tell: what operators ended, and attempts of which nobody knows the end.

import type { Destination } from '../../../mail/destination.ts'
import type { RelayEvent } from '../../../mail/event.ts'
import { cancelledEvent } from '../../events.ts'

type Told =
  | {
      readonly kind: 'interrupted'
      readonly at: number
      readonly message: string
      readonly n: number
    }
  | {
      readonly kind: 'cancelled'
      readonly at: number
      readonly message: string
      readonly n: number
      readonly acceptedAt: number
      readonly from: string
      readonly recipient: string
      readonly q: string
      readonly to: string
      readonly who: string
      readonly why: string
    }

export function eventOf(text: string): RelayEvent {
  const told = JSON.parse(text) as Told
  const { at, message: id, n } = told
  const delivery = `${id}-${n}`
  if (told.kind === 'interrupted') return { kind: 'interrupted', at, id, delivery }
  const { acceptedAt, from, recipient, q: queue, to } = told
  const destination = to as Destination
  const about = { at, id, delivery, acceptedAt, from, to: recipient, queue, destination }
  return cancelledEvent(about, told)
}
