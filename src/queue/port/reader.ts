// The queue for who looks: works beside a running relay and when it is down.

import type { Destination } from '../../mail/destination.ts'
import type { Cause, End, NoticeFate, State } from '../../mail/outcome.ts'
import type { Changes, Fact, Since } from './history.ts'
import type { DeliveryId, MessageId, OperatorAct } from './types.ts'

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

/** A hold that stands until it is released, and covers new mail. */
export interface StandingHold extends OperatorAct {
  readonly scope:
    { readonly kind: 'all' } | { readonly kind: 'destination' | 'queue'; readonly name: string }
  readonly at: number
}

/** The reading side: works beside a running relay and when it is down. */
export interface QueueReader extends AsyncDisposable {
  find(filter: Filter, page: { readonly limit: number; readonly cursor?: string }): Promise<Page>
  /** Recipients that have not ended, grouped; `ages` are upper bounds in milliseconds for age bands. */
  counts(by: GroupBy, ages?: readonly number[]): Promise<Count[]>
  /** Each state and queue that has any. Cheap however much is queued: metrics ask at each scrape. */
  oldest(): Promise<Oldest[]>
  trace(id: MessageId): Promise<Trace | undefined>
  /**
   * What has happened since, of all messages: at most so many facts. It reaches as far back as history goes by
   * its age, or its size; facts of mail that has not ended may be in its trace alone. Looking at its end costs one
   * look-up, so whoever follows asks again and again.
   */
  changes(since: Since, count: number): Promise<Changes>
  suspensions(): Promise<Suspension[]>
  holds(): Promise<StandingHold[]>
}

/** Content for admins, from the store itself. */
export interface ContentReader extends AsyncDisposable {
  /** Nothing when it is not kept: it goes with the last recipient that ends. */
  raw(id: string): AsyncIterable<Uint8Array>
}
