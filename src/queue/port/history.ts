// What is recorded of a message.

import type { Destination } from '../../mail/destination.ts'
import type { Envelope } from '../../mail/envelope.ts'
import type { AttemptFact } from '../../mail/event.ts'
import type { RecipientResult } from './outflow.ts'
import type { Act, DeliveryId, MessageId } from './types.ts'

/** One recorded fact of a message, in order of time. */
export type Fact =
  | {
      readonly kind: 'accepted'
      readonly at: number
      readonly envelope: Envelope
      readonly deliveries: readonly {
        readonly id: DeliveryId
        readonly destination: Destination
        readonly queue: string
        readonly rule: string
        readonly recipients: readonly number[]
      }[]
    }
  | {
      readonly kind: 'settled'
      readonly at: number
      readonly delivery: DeliveryId
      readonly attempt?: AttemptFact
      readonly results: readonly RecipientResult[]
      readonly notices?: readonly MessageId[]
      readonly warned?: readonly number[]
      readonly moveTo?: { readonly destination: Destination; readonly rule: string }
    }
  | { readonly kind: 'interrupted'; readonly at: number; readonly delivery: DeliveryId }
  /** Its record was lost, and made anew from what is kept with its content. */
  | { readonly kind: 'restored'; readonly at: number; readonly who: string }
  | {
      readonly kind: 'act'
      readonly at: number
      readonly act: Act
      readonly delivery?: DeliveryId
      readonly who: string
      readonly why: string
    }
