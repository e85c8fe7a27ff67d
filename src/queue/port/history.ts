// What is recorded of a message, and the order that all of it has together.

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

/** One fact, where it stands in the order over all messages. */
export interface Change {
  readonly message: MessageId
  readonly fact: Fact
  /** Where to go on after it. A text of the engine's own: only kept and given back. */
  readonly cursor: string
}

/** Where reading begins: at the oldest fact that is kept, behind the newest, or where a cursor says. */
export type Since = 'oldest' | 'newest' | { readonly cursor: string }

/** A page of what has happened, in the order in which it was committed; nothing is ever put in before its end. */
export type Changes =
  | {
      readonly kind: 'changes'
      readonly changes: readonly Change[]
      /** Where to go on, also where nothing was found; the cursor that was given where nothing is new. */
      readonly cursor: string
    }
  /** What came next after the cursor is kept no more; the oldest that is comes after this one. */
  | { readonly kind: 'gone'; readonly oldest: string }

/** What to say of a cursor whose next facts are gone. */
export function goneText(cursor: string, oldest: string): string {
  return `The history is not kept from "${cursor}" on: the oldest of it begins at "${oldest}"`
}
