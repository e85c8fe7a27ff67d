// What all who ask the queue have in common: ids, content, acts of operators, errors. Whatever crosses
// the port is plain, clonable data; the queue knows no policy, so times and schedules come in with
// what is accepted and settled. All times are milliseconds since 1970.

declare const checked: unique symbol
export type MessageId = string & { readonly [checked]: 'message' }
/** `messageId-n`, n from 1. */
export type DeliveryId = string & { readonly [checked]: 'delivery' }

export interface OperatorAct {
  readonly who: string
  readonly why: string
}

export const ACTS = ['hold', 'release', 'retry', 'refuse', 'cancel'] as const
export type Act = (typeof ACTS)[number]

/** Content that `store` has taken. Small content rides along in `bytes`; larger lives at `key`. */
export interface ContentRef {
  readonly key: string
  readonly size: number
  readonly bytes?: Uint8Array
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
