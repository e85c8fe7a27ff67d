// Facts that the relay reports. Log, metrics and webhooks are made from them; the history
// that `waypost trace` prints is what the queue recorded, of which these are the echo.

import type { Destination } from './destination.ts'
import type { Cause, NoticeFate, Outcome, End } from './outcome.ts'

export interface TlsFact {
  /** `TLSv1.3` */
  readonly version: string
  readonly cipher: string
  /** The certificate was checked against a name, and held. */
  readonly verified: boolean
}

/** The circumstances of one attempt. */
export interface AttemptFact {
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  /** The set of MX hosts, as the site is named. */
  readonly site?: string
  /** Host and address that answered last. */
  readonly host?: string
  readonly address?: string
  readonly port?: number
  /** Local address that we called from. */
  readonly source?: string
  readonly tls?: TlsFact
  /** Signatures made, `d=example.com s=s2026 ed25519`, or why there are none. */
  readonly signed?: string
  /** What happened on the way to that host: other hosts that failed, TLS given up. */
  readonly notes?: readonly string[]
}

interface OfMessage {
  readonly at: number
  readonly id: string
}
interface OfRecipient extends OfMessage {
  readonly delivery: string
  readonly to: string
  readonly from: string
  readonly queue: string
  readonly destination: Destination
}

export type RelayEvent =
  | ({
      readonly kind: 'accepted'
      readonly from: string
      readonly to: readonly string[]
      readonly bytes: number
      readonly client?: string
      readonly user?: string
      readonly protocol: string
      readonly rule: string
    } & OfMessage)
  | ({
      readonly kind: 'attempted'
      readonly outcome: Outcome
      readonly attempt: AttemptFact
      readonly attempts: number
      /** When the next attempt is due; absent when this recipient has ended. */
      readonly next?: number
    } & OfRecipient)
  | ({
      readonly kind: 'ended'
      readonly end: End
      readonly acceptedAt: number
      readonly notice?: NoticeFate
      readonly by?: string
      readonly reason?: string
    } & OfRecipient)
  | ({ readonly kind: 'warned' } & OfRecipient)
  /** An attempt was cut off, and nobody knows how it ended: its mail may arrive twice. */
  | ({ readonly kind: 'interrupted'; readonly delivery: string } & OfMessage)
  /** An operator steered the queue: what was asked for, and how many recipients it reached. */
  | {
      readonly kind: 'steered'
      readonly at: number
      readonly act: string
      /** In words. */
      readonly what: string
      readonly count: number
      readonly busy: number
      readonly who: string
      readonly why: string
    }
  | {
      readonly kind: 'suspended'
      readonly at: number
      readonly lanes: readonly Destination[]
      readonly site?: string
      readonly until: number
      readonly reason: string
      readonly cause: Cause
    }
  | {
      readonly kind: 'refused'
      readonly at: number
      readonly client: string
      readonly user?: string
      readonly command: string
      readonly reply: string
      readonly rule?: string
      /** Of the transaction that it was said in: its sender, and the first of its recipients. */
      readonly from?: string
      readonly to?: readonly string[]
      /** Stands for so many refusals of one client that have no event of their own. */
      readonly times?: number
    }
  | {
      readonly kind: 'login'
      readonly at: number
      readonly client: string
      readonly user: string
      readonly ok: boolean
      readonly reason?: string
    }
  | {
      readonly kind: 'connection'
      readonly at: number
      readonly direction: 'in' | 'out'
      readonly change: 'opened' | 'closed'
    }
  | {
      readonly kind: 'committed'
      readonly at: number
      readonly milliseconds: number
      readonly operations: number
    }
  | {
      readonly kind: 'note'
      readonly at: number
      readonly level: 'info' | 'warn' | 'error'
      readonly text: string
      readonly cause?: string
    }

/** Takes an event and never throws: telling what happened must not change what happens. */
export type Report = (event: RelayEvent) => void
