// What operators decided, as one immutable snapshot that answers questions. Every answer
// says which rule gave it, as file and line.

import type { KeyObject } from 'node:crypto'
import type { Address, Domain } from '../mail/address.ts'
import type { Destination } from '../mail/destination.ts'
import type { Path } from '../mail/path.ts'

/** "relay.yaml:12", or a sentence such as "no rule fits". */
export type At = string

export interface RelayRequest {
  readonly client: string
  /** The listener is bound to a loopback address: the shipped loopback rule fits only there. */
  readonly listenerLoopback: boolean
  /** Name of the authenticated user; absent before AUTH. */
  readonly user?: string
}

export interface RelayVerdict {
  /** `authenticate`: a rule with `users` could decide after AUTH. */
  readonly action: 'allow' | 'refuse' | 'authenticate'
  readonly at: At
}

export interface SenderVerdict {
  readonly allowed: boolean
  readonly at: At
}

export interface User {
  readonly name: string
  /** `$argon2id$…` in PHC form. */
  readonly password: string
  /** Addresses, domains and `*.domain` patterns it may send as; absent: any. */
  readonly senders?: readonly string[]
  readonly at: At
}

export interface Routing {
  readonly destination: Destination
  readonly queue: string
  /** Absent: all keys of the From domain sign. */
  readonly sign?: SignWith
  readonly at: At
}

/** Which of the keys sign: none, those of one algorithm, or those with these selectors. */
export type SignWith = 'none' | 'rsa' | 'ed25519' | readonly string[]

export interface SigningKey {
  readonly selector: string
  readonly key: KeyObject
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256'
}

export interface Signing {
  /** `d=`: the From domain where it is listed exactly, else the base of the pattern. */
  readonly domain: Domain
  readonly keys: readonly SigningKey[]
  readonly at: At
}

export interface SiteLimits {
  readonly connections: number
  readonly messagesPerConnection: number
  readonly at: At
}

export interface QueueRules {
  readonly name: string
  /** 1 is first, 100 last. */
  readonly priority: number
  /** Milliseconds after each attempt; the last repeats. */
  readonly retry: readonly number[]
  readonly giveUpAfter: number
  readonly warnAfter?: number
  readonly at: At
}

export interface ListenRules {
  /** Bytes. */
  readonly size: number
  readonly recipients: number
  readonly connections: number
  readonly connectionsPerClient: number
  /** `Received` fields that make a loop. */
  readonly hops: number
  /** Milliseconds. */
  readonly deadlines: {
    readonly command: number
    readonly message: number
    readonly idle: number
    readonly age: number
  }
  /** Bytes a second of content that are progress enough for more time than `message`. */
  readonly contentRate: number
  /** Clients whose commands may end with LF alone. */
  readonly bareLfCommands: (client: string) => boolean
  readonly bareLineEnds: 'normalise' | 'refuse'
  readonly missingFrom: 'add' | 'leave' | 'refuse'
  readonly authWithoutTls: 'never' | 'loopback'
}

/** One mistake or doubt in a file. */
export interface Finding {
  readonly level: 'error' | 'warning'
  readonly at: At
  readonly text: string
}

export interface Policy {
  readonly listen: ListenRules
  readonly files: readonly {
    readonly name: string
    readonly rules: number
    readonly missing: boolean
  }[]
  readonly warnings: readonly Finding[]
  /** Names of the queues that have a file. */
  readonly queues: readonly string[]
  readonly users: readonly User[]
  mayRelay(request: RelayRequest): RelayVerdict
  user(name: string): User | undefined
  /** May this user (whichever rule admitted it) use this sender; `undefined` is `<>`, always allowed. */
  maySend(user: string, sender: Address | undefined): SenderVerdict
  /** `undefined`: no rule fits, 550 5.4.4. */
  route(recipient: Address, sender: Address | undefined): Routing | undefined
  /** How mail gets there now; `undefined`: a next hop that no rule names any more. */
  path(destination: Destination): Path | undefined
  /** The password that the environment variable of this name held, itself or in a file, at load. */
  secret(name: string): string | undefined
  /** The first of the From domains that has keys. */
  signing(from: readonly Domain[]): Signing | undefined
  /** For the set of MX host names of a site. */
  limits(hosts: readonly string[]): SiteLimits
  /** The shortest lifetime of mail of any queue, in milliseconds. */
  readonly lifetime: number
  /** A queue whose file is gone uses `default`. */
  queue(name: string): QueueRules
}

/** The policy of this moment; it is replaced as a whole when files change. */
export interface PolicySource extends AsyncDisposable {
  current(): Policy
  /** The config folder that it was read from. */
  folder(): string
  /** What is wrong with the files of now, while those before them stay in force. */
  problem(): PolicyProblem | undefined
  onChange(listener: (policy: Policy) => void): void
}

export interface PolicyProblem {
  readonly since: number
  /** Each mistake with file and line, on a line of its own. */
  readonly text: string
}
