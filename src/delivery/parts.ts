// What the parts of delivery say to each other: from a route to hosts, from a host to a
// connection, from a connection to the outcome of each recipient.

import type { Address } from '../mail/address.ts'
import type { TlsLevel } from '../mail/destination.ts'
import type { Notify } from '../mail/envelope.ts'
import type { TlsFact } from '../mail/event.ts'
import type { Outcome } from '../mail/outcome.ts'

/** One host of a site, most preferred first; its addresses are looked up when it is its turn. */
export interface Host {
  readonly name: string
  readonly preference: number
}

/** Where a route leads. `failed` carries the judged outcome: a bounce, or trouble that burns no attempt. */
export type Resolved =
  | { readonly kind: 'hosts'; readonly site: string; readonly hosts: readonly Host[] }
  | { readonly kind: 'failed'; readonly outcome: Outcome }

export type Addresses =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly outcome: Outcome }

/** Whom to call, and how. Connections are shared only where all of this is the same. */
export interface Target {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly tls: TlsLevel
  /** See `isImplicit`. */
  readonly implicitTls?: boolean
  readonly source?: string
  readonly credentials?: {
    readonly user: string
    readonly password: string
    /** The rule says `password-without-verification`; else it goes out over verified TLS only. */
    readonly withoutVerification?: boolean
  }
}

export interface ConnectionFact {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly source?: string
  readonly tls?: TlsFact
  /** TLS was tried and did not come about, for this reason: the connection is in clear. */
  readonly tlsFailed?: string
  /** "STARTTLS failed (…), went on in clear" and the like. */
  readonly notes: readonly string[]
}

export type Connected =
  | { readonly kind: 'connected'; readonly connection: Connection }
  /** Trouble before MAIL: always of scope `site`. */
  | { readonly kind: 'failed'; readonly outcome: Outcome; readonly fact: ConnectionFact }

export interface TransactionRecipient {
  readonly n: number
  readonly address: Address
  readonly notify?: readonly Notify[]
  readonly orcpt?: string
}

export interface Transaction {
  readonly sender: Address | undefined
  readonly recipients: readonly TransactionRecipient[]
  readonly smtpUtf8: boolean
  readonly eightBit: boolean
  readonly ret?: 'full' | 'hdrs'
  readonly envid?: string
  /** Fields put on top of the content: DKIM signatures, each ended by CRLF. */
  readonly prefix: Buffer
  /** Bytes of the content without the prefix. */
  readonly size: number
  /** The content: one piece when it is in memory, else a stream. */
  readonly content: Buffer | (() => AsyncIterable<Uint8Array>)
  /** Called once, right before the final dot goes out; `false` stops it (the lease is no longer sure). */
  readonly mayEnd?: () => boolean
}

export interface TransactionResult {
  /** One for every recipient but those in `later`. */
  readonly outcomes: ReadonlyMap<number, Outcome>
  /** Too many recipients for one transaction (452, 552 at RCPT): they go on at once in another. */
  readonly later: readonly number[]
  /**
   * How the connection stands: `ready` for another message; `limit`: the server closed (or said 421)
   * between transactions after it had taken a message, nothing was tried, reconnect; `lost`: gone, by
   * 421 or a loss from MAIL on.
   */
  readonly connection: 'ready' | 'limit' | 'lost'
}

export interface Connection {
  readonly fact: ConnectionFact
  /** The server takes RET, ENVID, NOTIFY and ORCPT; where it does not, success reports are ours to write. */
  readonly offersDsn: boolean
  /** Messages that were taken over it. */
  readonly taken: number
  /** It can still be used: nothing has arrived unasked and it was not closed. */
  readonly usable: boolean
  send(transaction: Transaction): Promise<TransactionResult>
  /** Resolves when the server's side has ended too, at the latest two seconds after ours. */
  readonly closed: Promise<void>
  /** QUIT where it is still heard, politely and bounded in time; resolves as `closed` does. */
  quit(): Promise<void>
  /** At once. */
  destroy(): void
}
