// The queue for who takes mail in.

import type { Destination } from '../../mail/destination.ts'
import type { Envelope } from '../../mail/envelope.ts'
import type { Answered, StoreEntry } from '../../store/store.ts'
import type { ContentRef, MessageId } from './types.ts'

/** A delivery as it is handed in: which of the envelope's recipients go where, and when. */
export interface NewDelivery {
  readonly destination: Destination
  readonly queue: string
  /** Which rule sent it there: "routing.yaml:4". */
  readonly rule: string
  /** 1 is first, 100 last. */
  readonly priority: number
  /** Indexes into `envelope.recipients`. */
  readonly recipients: readonly number[]
  readonly due: number
  readonly expireAt: number
  readonly warnAt?: number
}

export interface NewMail {
  /** From `newId`, or derived from what it tells of, so that writing a notice twice is a no-op. */
  readonly id: MessageId
  readonly at: number
  readonly envelope: Envelope
  readonly content: ContentRef
  readonly deliveries: readonly NewDelivery[]
  readonly once?: Once
  /** Done in the same step, unless the mail is there already. */
  readonly also?: readonly StoreEntry[]
}

/** A key that may be used one time until a moment. */
export interface Once {
  readonly key: string
  readonly until: number
}

/** Who takes mail in. */
export interface Intake {
  /** A new id, in order of time. */
  newId(): MessageId
  /**
   * Why nothing would be accepted now: space is short, or storage is away. Asked at every MAIL, it
   * waits for nothing.
   */
  refuses(): 'full' | 'away' | undefined
  /** Stores content outside the schedule's transaction; what is never accepted is swept. Rejects with `QueueError`. */
  store(id: MessageId, chunks: AsyncIterable<Uint8Array> | Uint8Array): Promise<ContentRef>
  /** Takes back what `store` took, when it is not going to be accepted. */
  discard(content: ContentRef): Promise<void>
  /**
   * Durable when it resolves; writing the same id twice is a no-op. Rejects with `QueueError`.
   * @param answered told what `also` came to
   */
  accept(mail: NewMail, answered?: Answered): Promise<MessageId>
}
