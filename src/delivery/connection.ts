// What the parts of delivery say to each other: from a route to hosts, from a host to a
// connection, from a connection to what was found for each recipient. None of it judges.

import type { Address } from '../mail/address.ts'
import type { Notify } from '../mail/envelope.ts'
import type { TlsFact } from '../mail/event.ts'
import type { Stage } from '../mail/outcome.ts'
import type { Requirement } from '../mail/path.ts'
import type { Reply } from '../mail/reply.ts'

/** How a connection ended without the reply that we waited for. */
export interface Loss {
  /** `closed` by the server, `failed` on the way, `timeout`, `garbled`: no SMTP, `stopped` by us. */
  readonly kind: 'closed' | 'failed' | 'timeout' | 'garbled' | 'stopped'
  /** A sentence for people, without a full stop. */
  readonly text: string
}

/** What names told: each is about a domain, or about a host that a route names. */
export type NameFinding =
  | 'trouble'
  | 'no domain'
  | 'no host'
  | 'null mx'
  | 'no address'
  | 'guarded'
  | 'loop'
  | 'no hop'
  | 'no path'

/** What keeps a message from being offered to a server at all. */
export type Unfit = 'too large' | 'eight bit' | 'utf-8'

export type Found =
  | { readonly kind: 'reply'; readonly stage: Stage; readonly reply: Reply }
  | { readonly kind: 'loss'; readonly stage: Stage; readonly loss: Loss }
  | { readonly kind: 'name'; readonly finding: NameFinding; readonly text: string }
  | { readonly kind: 'unfit'; readonly unfit: Unfit; readonly text: string }

/** One host of a site, most preferred first; its addresses are looked up when it is its turn. */
export interface Host {
  readonly name: string
  readonly preference: number
}

/** Where a route leads. */
export type Resolved =
  | { readonly kind: 'hosts'; readonly site: string; readonly hosts: readonly Host[] }
  | { readonly kind: 'failed'; readonly found: Found }

export type Addresses =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly found: Found }

/** With what we log in. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/** Whom to call, and what must be true of the connection. */
export interface Target extends Requirement {
  readonly host: string
  readonly address: string
  readonly port: number
  /** See `isImplicit`. */
  readonly implicitTls?: boolean
  /** TLS is tried though it failed a short while ago: the server takes nothing in clear. */
  readonly tlsAnew?: boolean
  /** For `login`. */
  readonly credentials?: Credentials
}

export interface ConnectionFact {
  readonly host: string
  readonly address: string
  readonly port: number
  /** The local address, and the one that was asked for, where the system was not left to choose. */
  readonly source?: string
  readonly boundTo?: string
  readonly tls?: TlsFact
  /** The user as whom we are logged in. */
  readonly login?: string
  /** TLS was tried and did not come about, for this reason: the connection is in clear. */
  readonly tlsFailed?: string
  /** "STARTTLS failed (…), went on in clear" and the like. */
  readonly notes: readonly string[]
}

export type Connected =
  | { readonly kind: 'connected'; readonly connection: Connection }
  /** Trouble before MAIL. */
  | { readonly kind: 'failed'; readonly found: Found; readonly fact: ConnectionFact }

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
  /** What was found for every recipient but those in `later`. */
  readonly found: ReadonlyMap<number, Found>
  /**
   * They go on at once in another transaction: they were too many for one (452, 552 at RCPT), or the
   * server left behind the answers to others.
   */
  readonly later: readonly number[]
  /** How many recipients a transaction may have here, where this one had too many. */
  readonly width?: number
  /**
   * How the connection stands: `ready` for another message; `limit`: the server closed (or said 421)
   * on a connection that carried a transaction before, and answered nobody: nothing was tried,
   * reconnect; `lost`: gone, by 421 or a loss from MAIL on.
   */
  readonly connection: 'ready' | 'limit' | 'lost'
}

export interface Connection {
  readonly fact: ConnectionFact
  /** The server takes RET, ENVID, NOTIFY and ORCPT; where it does not, success reports are ours to write. */
  readonly offersDsn: boolean
  /** Messages that were taken over it. */
  readonly taken: number
  /** It has carried a transaction, whatever came of it. */
  readonly used: boolean
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
