// What crosses between the client and its two threads: flat tuples, because cloning an array of
// plain values costs a quarter of cloning objects. Content of a whole batch is one buffer that
// changes hands; an offset and a length say where each is.

import type { Steered } from '../../port/control.ts'
import type { LastAttempt, TroubleFacts } from '../../port/outflow.ts'
import type { StoreAnswer, StoreEntry } from '../../../store/store.ts'
import type { Since } from '../../port/history.ts'
import type { Filter, GroupBy } from '../../port/reader.ts'
import type { Act, OperatorAct, QueueError } from '../../port/types.ts'

export type RecipientRow = readonly [n: number, address: string, domain: string]

export type DeliveryRow = readonly [
  destination: string,
  queue: string,
  priority: number,
  due: number,
  expire: number,
  warn: number | null,
  recipients: readonly RecipientRow[],
]

/** Mail on its way into the store; where its content is, is filled in when the batch goes. */
export type MailRow = [
  id: number,
  /** Its id as it was handed in, when that is not one of ours. */
  alias: string | null,
  at: number,
  sender: string,
  size: number,
  large: string | null,
  /** JSON of the envelope, and of what `accepted` tells of the deliveries. */
  envelope: string,
  told: string,
  once: readonly [key: string, until: number] | null,
  offset: number,
  length: number,
  /** The client keeps the mail in memory until its first attempt. */
  fresh: boolean,
  deliveries: readonly DeliveryRow[],
  also: readonly StoreEntry[] | null,
]

export type ResultRow = readonly [
  n: number,
  /** Index into `ENDS`. */
  end: number | null,
  /** Index into `FATES`. */
  notice: number | null,
  /** 1 when this was an attempt. */
  attempted: number,
  due: number | null,
  reply: string | null,
]

export type SettleRow = readonly [
  message: number,
  n: number,
  at: number,
  results: readonly ResultRow[],
  /** JSON of the fact; `null` when nothing happened that is worth telling. */
  fact: string | null,
  /** All of them were tried, so `last` replaces what was known. */
  attempted: boolean,
  last: string | null,
  expire: number | null,
  /** `undefined` leaves it, `null` ends it. */
  warn: number | null | undefined,
  moveTo: string | null,
  notices: readonly MailRow[],
  /** The lease to take the next delivery under. */
  next: string | null,
  /** The lease that this one was taken under. */
  lease: string | null,
  also: readonly StoreEntry[] | null,
]

/** What its entries of small state came to, if it had any. */
export type AcceptedRow = readonly [message: number, answers: readonly StoreAnswer[] | null]
export type SettledRow = readonly [next: TakenRow | null, answers: readonly StoreAnswer[] | null]

export type Operation =
  | readonly ['accept', MailRow]
  | readonly ['claim', count: number]
  | readonly ['full', lanes: readonly string[], full: boolean]
  | readonly ['renew', leases: readonly string[]]
  | readonly ['release', lease: string]
  | readonly ['take', lease: string]
  | readonly ['load', message: number, n: number]
  | readonly ['settle', SettleRow]
  | readonly ['overdue', kind: 'expire' | 'warn' | 'refuse', count: number]
  | readonly [
      'suspend',
      lanes: readonly string[],
      site: string | null,
      until: number,
      reason: string,
      about: TroubleFacts,
    ]
  | readonly ['nextDue']
  | readonly ['tick']
  | readonly ['spare']
  | readonly ['steer', act: Act, filter: Filter, by: OperatorAct, cursor: string | null]
  | readonly ['hold', scope: string, by: OperatorAct]
  | readonly ['unhold', scope: string]
  | readonly ['mark', scope: string, cursor: string | null]
  | readonly ['unmark', scope: string, by: OperatorAct]
  | readonly ['trim', before: number, excess: boolean]
  | readonly ['known', keys: readonly string[]]
  | readonly ['keep', keep: boolean]
  | readonly ['state', readonly StoreEntry[]]

export interface Batch {
  readonly kind: 'batch'
  readonly now: number
  /** Spans are measured by it: the wall clock may be set. */
  readonly steady: number
  readonly operations: readonly Operation[]
  readonly content: Uint8Array
  /** Mail that the client had to let go before its first attempt. */
  readonly gone: readonly number[]
}

export type TakenRow =
  | readonly ['idle', until: number | null]
  /** Never tried and in the client's memory. */
  | readonly ['fresh', message: number, n: number]
  | readonly ['loaded', LoadedRow]

export interface LoadedRow {
  readonly message: number
  readonly n: number
  readonly destination: string
  readonly queue: string
  readonly at: number
  readonly envelope: string
  readonly size: number
  readonly large: string | null
  readonly expire: number
  readonly warn: number | null
  readonly heldFor: number
  readonly last: LastAttempt | null
  readonly refuse: OperatorAct | null
  readonly recipients: readonly (readonly [n: number, attempts: number, due: number])[]
  readonly bytes: Uint8Array | null
}

export type LeaseRow = readonly [id: string, lane: string, priority: number, until: number]

/** One page of a long act; `cursor` says that there is more. */
export interface PageDone extends Pick<Steered, 'count' | 'busy'> {
  /** Recipients that holds keep, by the scope that stands. */
  readonly kept: readonly (readonly [scope: string, count: number])[]
  readonly cursor: string | null
}

export interface Failure {
  readonly error: QueueError['kind'] | 'wrong'
  readonly text: string
}

/** A recipient that an operator cancelled. */
export interface CancelledRow {
  readonly kind: 'cancelled'
  readonly at: number
  readonly message: number
  readonly n: number
  readonly acceptedAt: number
  readonly from: string
  readonly to: string
  readonly queue: string
  readonly destination: string
  readonly who: string
  readonly why: string
}

/** An attempt that nobody knows the end of. */
export interface InterruptedRow {
  readonly kind: 'interrupted'
  readonly at: number
  readonly message: number
  readonly n: number
}

export type ToldRow = CancelledRow | InterruptedRow

export interface Answers {
  readonly kind: 'answers'
  readonly results: readonly unknown[]
  readonly failures: readonly (Failure | undefined)[]
  /** A lane may have new work to claim. */
  readonly wake: boolean
  /** When the worker wants to be asked next: a lane falls due, or a lease lapses. */
  readonly next: number | null
  readonly milliseconds: number
  /** What is to be reported beside the answers. */
  readonly told: readonly ToldRow[]
}

export interface Opened {
  readonly kind: 'opened'
  readonly last: number
  /** Attempts that a crash has cut off. */
  readonly told: readonly ToldRow[]
  readonly unfinished: readonly string[]
}

export type FromWorker =
  | Opened
  | Answers
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'closed' }

export type ToReader =
  | readonly [call: number, 'find', now: number, Filter, limit: number, cursor: string | undefined]
  | readonly [call: number, 'counts', now: number, GroupBy, ages: readonly number[] | undefined]
  | readonly [call: number, 'trace', now: number, id: string]
  | readonly [call: number, 'changes', Since, count: number]
  | readonly [call: number, 'suspensions', now: number]
  | readonly [call: number, 'oldest']
  | readonly [call: number, 'holds']
  | readonly [call: number, 'bytes', id: string]
  | readonly [
      call: number,
      'state',
      now: number,
      prefix: string,
      after: string | undefined,
      limit: number,
    ]
  | readonly [call: number, 'history']
  | readonly [call: number, 'close']

export interface FromReader {
  readonly call: number
  readonly value?: unknown
  readonly error?: string
}

export const FATES = ['sent', 'not wanted', 'null sender', 'no route'] as const
