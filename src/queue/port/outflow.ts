// The queue for who takes mail out: leases of lanes, deliveries, and what becomes of them.

import type { Address } from '../../mail/address.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Envelope, Notify } from '../../mail/envelope.ts'
import type { AttemptFact } from '../../mail/event.ts'
import type { Cause, End, NoticeFate, Outcome } from '../../mail/outcome.ts'
import type { Answered, StoreEntry } from '../../store/store.ts'
import type { NewMail } from './intake.ts'
import type { ContentRef, DeliveryId, MessageId, OperatorAct } from './types.ts'

export interface Recipient {
  /** Index into the envelope's recipients: its number within the message. */
  readonly n: number
  readonly address: Address
  readonly notify?: readonly Notify[]
  readonly orcpt?: string
  readonly attempts: number
  readonly due: number
}

/** One message to one destination with the recipients that wait there: the unit that is queued. */
export interface Delivery {
  readonly id: DeliveryId
  readonly message: MessageId
  readonly destination: Destination
  readonly queue: string
  readonly acceptedAt: number
  /** What all recipients of the message share; those that wait here are in `recipients`. */
  readonly envelope: Omit<Envelope, 'recipients'>
  readonly recipients: readonly Recipient[]
  readonly content: ContentRef
  readonly expireAt: number
  readonly warnAt?: number
  /** Milliseconds by which holds have moved its times: a lifetime is counted without them. */
  readonly heldFor?: number
  /** The attempt before this one ended without our seeing the reply to the dot, or by our own death. */
  readonly last?: LastAttempt
  /** The lease that it was taken under; absent for what is overdue. */
  readonly lease?: string
  /** What an operator asks of it: `refuse` ends it as bounced with this reason. */
  readonly refuse?: OperatorAct
}

export interface LastAttempt {
  readonly kind: 'unknown' | 'interrupted'
  readonly host?: string
  readonly address?: string
}

/** One connection's right to draw from a lane. It lapses by itself when it is not renewed. */
export interface Lease {
  readonly id: string
  readonly lane: Destination
  /** Of the most urgent delivery that was due. */
  readonly priority?: number
  readonly until: number
}

/** Nothing is due in this lane before then; `undefined`: nothing waits there. */
export interface Idle {
  readonly kind: 'idle'
  readonly until: number | undefined
}

export type Taken = { readonly kind: 'delivery'; readonly delivery: Delivery } | Idle

/** What becomes of one recipient. */
export type Verdict =
  | {
      readonly kind: 'end'
      readonly end: End
      readonly notice?: NoticeFate
      readonly reason?: string
    }
  /** Tried and to be tried again. */
  | { readonly kind: 'retry'; readonly due: number }
  /** Not tried: trouble before MAIL burns no attempt, and leaves the time as it was unless `due` is given. */
  | { readonly kind: 'untried'; readonly due?: number }

export interface RecipientResult {
  readonly n: number
  /** Absent for expiry, and where nothing was tried. */
  readonly outcome?: Outcome
  readonly verdict: Verdict
}

/** All that one attempt (or one sweep) says of a delivery: written in one step. */
export interface Settlement {
  readonly at: number
  readonly attempt?: AttemptFact
  readonly results: readonly RecipientResult[]
  readonly notices?: readonly NewMail[]
  /** New times of the delivery; absent ones stay, `warnAt: null` means never again. */
  readonly expireAt?: number
  readonly warnAt?: number | null
  /** Which of the recipients were warned just now. */
  readonly warned?: readonly number[]
  /** Routing has changed its mind: the delivery goes on in that lane. */
  readonly moveTo?: { readonly destination: Destination; readonly rule: string }
  /** Done in the same step, also where the lease has lapsed: what it counts has happened. */
  readonly also?: readonly StoreEntry[]
}

/** Connections of one site: those that a process has, could use, and that all may have together. */
export interface Loan {
  /** With the source that calls it. */
  readonly site: string
  readonly held: number
  readonly wanted: number
  readonly limit: number
}

/** What is known of a trouble beside its reason: `other` and now, where nothing is said. */
export interface TroubleFacts {
  readonly cause?: Cause
  readonly since?: number
}

/** Who takes mail out. */
export interface Outflow {
  /** Rights to draw from lanes with due work, most urgent first; none when nothing is due. */
  claim(count: number): Promise<Lease[]>
  /** When the next unclaimed lane has due work; `undefined`: nothing waits. */
  nextDue(): Promise<number | undefined>
  /** Calls when a lane may have new work to claim; several may be said in one. */
  onWake(listener: () => void): void
  /**
   * No more leases of these lanes for now, because their site is at its limit; or leases again. It is
   * kept in memory for this claimer; `claim` and `nextDue` leave these lanes out. Calls keep their order.
   */
  full(lanes: readonly Destination[], full: boolean): void
  renew(leases: readonly Lease[]): Promise<void>
  release(lease: Lease): Promise<void>
  /**
   * The most urgent, then the oldest due delivery of the lane. It is `sending` from here on. A lease may
   * have several in hand: while one is being sent, the next are taken ahead (with `settle` too).
   */
  take(lease: Lease): Promise<Taken>
  /**
   * Writes outcome, history, notices and next time in one step, and takes the next delivery of the
   * lane. When the lease has lapsed and another has the delivery, only what ended counts.
   * @param answered told what `also` came to
   */
  settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
    answered?: Answered,
  ): Promise<Taken | undefined>
  /** Deliveries whose time to expire, warn or be refused has come, whatever lanes and leases say; each is `sending` until settled. */
  overdue(kind: 'expire' | 'warn' | 'refuse', count: number): Promise<Delivery[]>
  /**
   * A site's lanes (or one lane) wait until then, ten seconds at the most once urgent mail (priority below
   * 10) comes to them; `until` 0 ends it.
   */
  suspend(
    lanes: readonly Destination[],
    site: string | undefined,
    until: number,
    reason: string,
    about?: TroubleFacts,
  ): Promise<void>
  content(ref: ContentRef): AsyncIterable<Uint8Array>
  /**
   * How many connections of each site this process may have from now on, out of what all who call from the
   * same source share. It can be fewer than it has: then it is to give back as many as it can. What a
   * dead process had returns by itself. Absent where nobody shares the queue.
   */
  borrow?(loans: readonly Loan[]): Promise<readonly number[]>
}
