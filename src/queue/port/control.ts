// The queue for who steers, and who shares it.

import type { Filter, QueueReader, StandingHold } from './reader.ts'
import type { Act, OperatorAct } from './types.ts'

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
  readonly recoveryPause?: number
  /** What the server says of itself, by its own names. */
  readonly server?: Readonly<Record<string, string | number>>
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
