// The queue: keeps what we promised and says what is next. One port, two engines, one
// contract suite. Whatever crosses it is plain, clonable data; the queue knows no policy, so
// times and schedules come in with what is accepted and settled. All times are
// milliseconds since 1970.

import type { Address } from '../mail/address.ts'
import type { Destination } from '../mail/destination.ts'
import type { Envelope, Notify } from '../mail/envelope.ts'
import type { AttemptFact } from '../mail/event.ts'
import type { Cause, End, NoticeFate, Outcome, State } from '../mail/outcome.ts'

declare const checked: unique symbol
export type MessageId = string & { readonly [checked]: 'message' }
/** `messageId-n`, n from 1. */
export type DeliveryId = string & { readonly [checked]: 'delivery' }

/** Content that `store` has taken. Small content rides along in `bytes`; larger lives at `key`. */
export interface ContentRef {
  readonly key: string
  readonly size: number
  readonly bytes?: Uint8Array
}

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
}

/** A key that may be used one time until a moment. */
export interface Once {
  readonly key: string
  readonly until: number
}

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
  /** Without its recipients that go elsewhere or have ended: see `recipients`. */
  readonly envelope: Envelope
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
}

/** Connections of one site: those that a process has, could use, and that all may have together. */
export interface Loan {
  /** With the source that calls it. */
  readonly site: string
  readonly held: number
  readonly wanted: number
  readonly limit: number
}

export interface OperatorAct {
  readonly who: string
  readonly why: string
}

/**
 * `sender` is the envelope's; `user` who logged in, else the client's address in brackets, else
 * `relay` for what the relay wrote itself.
 */
export const GROUPS = ['state', 'queue', 'destination', 'domain', 'sender', 'user'] as const
export type GroupBy = (typeof GROUPS)[number]

/** All keys that are given must fit. */
export interface Filter {
  readonly ids?: readonly string[]
  /** Address, or domain when it has no "@". */
  readonly to?: string
  readonly from?: string
  readonly domain?: string
  readonly destination?: string
  readonly queue?: string
  readonly states?: readonly State[]
  readonly acceptedBefore?: number
  readonly acceptedAfter?: number
  /** Scanned in pages, not indexed. */
  readonly minAttempts?: number
  /** Part of the last reply, without regard to case. Scanned in pages, not indexed. */
  readonly reply?: string
}

/** One recipient, as admins see it. */
export interface Entry {
  readonly id: MessageId
  readonly delivery: DeliveryId
  readonly n: number
  readonly state: State
  readonly from: string
  readonly to: string
  readonly queue: string
  readonly destination: Destination
  readonly acceptedAt: number
  readonly endedAt?: number
  readonly attempts: number
  /** When the next attempt is due; absent when held or ended. */
  readonly next?: number
  readonly reply?: string
  readonly size: number
  readonly notice?: NoticeFate
  readonly held?: Held
  /** An operator has refused it, and it waits for its notice. */
  readonly refused?: OperatorAct
}

/** What stops a recipient, and who placed it. */
export interface Held extends OperatorAct {
  /** The hold that stands; absent where it was held itself, and goes on when it is released itself. */
  readonly scope?: StandingHold['scope']
  readonly since?: number
  /** Holds that stand and keep it when this one is gone. */
  readonly also?: readonly StandingHold[]
}

export interface Page {
  readonly entries: readonly Entry[]
  /** Where the next page begins; absent on the last. */
  readonly cursor?: string
  /** Entries looked at, when the filter could not use an index alone. */
  readonly scanned: number
}

export interface Count {
  readonly key: string
  /** By age band when asked: upper bounds in milliseconds are the caller's. */
  readonly ages?: readonly number[]
  readonly count: number
}

/** The oldest that has not ended, in one state and queue. */
export interface Oldest {
  readonly state: Exclude<State, End>
  readonly queue: string
  readonly acceptedAt: number
}

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

export const ACTS = ['hold', 'release', 'retry', 'refuse', 'cancel'] as const
export type Act = (typeof ACTS)[number]

export interface Trace {
  readonly id: MessageId
  readonly facts: readonly Fact[]
  readonly entries: readonly Entry[]
  /** Why each lane that it waits in does not run, by destination. */
  readonly suspended: readonly Suspension[]
  /** Of these, where the engine can tell: lanes whose site has no connection left for anybody who delivers. */
  readonly busy?: readonly Destination[]
}

export interface Suspension {
  readonly lane: Destination
  readonly site?: string
  readonly until: number
  readonly reason: string
  readonly cause: Cause
  /** When the trouble began that this is about; it may have been tried in between. */
  readonly since: number
}

/** What is known of a trouble beside its reason: `other` and now, where nothing is said. */
export interface TroubleFacts {
  readonly cause?: Cause
  readonly since?: number
}

/** A hold that stands until it is released, and covers new mail. */
export interface StandingHold extends OperatorAct {
  readonly scope:
    { readonly kind: 'all' } | { readonly kind: 'destination' | 'queue'; readonly name: string }
  readonly at: number
}

/** What steering did: `busy` are under way and follow when their attempt ends. */
export interface Steered {
  readonly count: number
  readonly busy: number
  /** Recipients that do not go on, because a hold lies on them that stands: by the widest of these. */
  readonly kept?: readonly { readonly scope: StandingHold['scope']; readonly count: number }[]
}

/** What a process of the relay does: takes mail in, takes it out, answers admins over HTTP. */
export const ROLES = ['listen', 'deliver', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** What a process says of itself. */
export interface About {
  readonly name: string
  /** What it calls itself in EHLO. */
  readonly hostname: string
  readonly version?: string
  readonly roles: readonly Role[]
  /** What others see it call from; limits of a site are shared by all that call from the same. */
  readonly sources: readonly string[]
  /** Where it takes mail in: "smtp://0.0.0.0:2525". */
  readonly listeners: readonly string[]
  /** Its policy files have a mistake, and it goes by those before them. */
  readonly policyProblem?: { readonly since: number; readonly text: string }
}

/** A process that shares the queue. */
export interface ProcessEntry extends About {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly leases: number
  readonly startedAt: number
  /** Its last sign of life, by its own clock. */
  readonly seenAt: number
  /** Nothing was heard of it for so long that its leases have returned, or do so now. */
  readonly isDead: boolean
}

/** What keeps the queue, and how well. */
export interface EngineStatus {
  readonly engine: 'sqlite' | 'bullmq'
  /** Where it is, for people. */
  readonly at: string
  /** What a 250 means, for people. */
  readonly durability: string
  /** Where content lives, for people, when it can be elsewhere. */
  readonly content?: string
  /** Accepted mail may be lost, because an operator has said so. */
  readonly isRelaxed: boolean
  /** Why no mail is taken now, for people. */
  readonly trouble?: string
  /** Bytes free where the queue is, and how many must be for mail to be taken. */
  readonly disk?: { readonly free: number; readonly reserve: number }
  /** For how many milliseconds more nothing is delivered, because storage was restarted. */
  readonly calm?: number
  /** What the server says of itself, by its own names. */
  readonly server?: Readonly<Record<string, string | number>>
}

export class QueueError extends Error {
  readonly kind: 'full' | 'failing' | 'closed' | 'used'
  constructor(
    kind: 'full' | 'failing' | 'closed' | 'used',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'QueueError'
    this.kind = kind
  }
}

/** The reading side: works beside a running relay and when it is down. */
export interface QueueReader extends AsyncDisposable {
  find(filter: Filter, page: { readonly limit: number; readonly cursor?: string }): Promise<Page>
  /** Recipients that have not ended, grouped; `ages` are upper bounds in milliseconds for age bands. */
  counts(by: GroupBy, ages?: readonly number[]): Promise<Count[]>
  /** Each state and queue that has any. Cheap however much is queued: metrics ask at each scrape. */
  oldest(): Promise<Oldest[]>
  trace(id: MessageId): Promise<Trace | undefined>
  suspensions(): Promise<Suspension[]>
  holds(): Promise<StandingHold[]>
}

/** Content for admins, from the store itself. */
export interface ContentReader extends AsyncDisposable {
  /** Nothing when it is not kept: it goes with the last recipient that ends. */
  raw(id: string): AsyncIterable<Uint8Array>
}

/** What admins may do, from a process of their own too. */
export interface QueueControl extends QueueReader {
  /** Acts on what the filter finds now. */
  steer(act: Act, filter: Filter, by: OperatorAct): Promise<Steered>
  hold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered>
  unhold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered>
  /**
   * No content goes, also of mail that ends, until this is disposed of: whoever copies the store reads it
   * beside the relay. Absent where the store has its own backups.
   */
  keepContent?(): Promise<AsyncDisposable>
  engine(): Promise<EngineStatus>
  /** Who shares the queue, in order of their start; who died within the last hour is there too. */
  processes(): Promise<ProcessEntry[]>
}

export interface Queue extends QueueControl {
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
  /** Durable when it resolves; writing the same id twice is a no-op. Rejects with `QueueError`. */
  accept(mail: NewMail): Promise<MessageId>
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
   */
  settle(delivery: Delivery, settlement: Settlement, next?: Lease): Promise<Taken | undefined>
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
  /** Says anew what this process is, so that all who share the queue know. Absent where nobody does. */
  introduce?(): Promise<void>
}
