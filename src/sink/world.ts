// What all sessions of a sink share, and what it tells.

import type { Clock } from '../base/clock.ts'

export type SinkEvent =
  | ({ readonly kind: 'taken' } & SinkMessage)
  | {
      readonly kind: 'refused'
      readonly at: number
      readonly from: string
      readonly to: string
      readonly reply: string
    }
  | { readonly kind: 'dropped'; readonly at: number; readonly from: string; readonly to: string }

export interface SinkMessage {
  readonly at: number
  readonly client: string
  readonly from: string
  readonly to: readonly string[]
  /** Bytes as they came, with stuffed dots. */
  readonly size: number
  /** The first megabyte. */
  readonly content: Buffer
}

/** What all sessions of a sink share. */
export interface SinkWorld {
  readonly hostname: string
  readonly slow: number
  readonly clock: Clock
  readonly report: (event: SinkEvent) => void
  /** How often this address has asked for trouble so far, this time included. */
  countOf(address: string): number
}
