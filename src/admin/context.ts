// What a command is given: where it writes, what it reads, who runs it and the world around it.
// So each command is a function that tests call in their own process.

import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { RedisPlace } from '../queue/bullmq/place.ts'
import type { OperatorAct } from '../queue/port/types.ts'

export interface Context {
  /** Standard output; may be written faster than it is read, so long lists wait for `drained`. */
  readonly print: (text: string) => void
  /** Bytes as they are; `undefined` says that there are no more. */
  readonly printBytes: (bytes: Uint8Array | undefined) => void
  readonly complain: (text: string) => void
  readonly drained: () => Promise<void>
  readonly input: Readable & { readonly isTTY?: boolean }
  /** Width of the terminal; `undefined` when the output is none, and nothing is cut. */
  readonly columns: number | undefined
  /** A person can be asked. */
  readonly interactive: boolean
  readonly clock: Clock
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal
  /** The user of the operating system, for the record. */
  readonly who: string
  readonly uid: number
  readonly version: string
  /** Throws what is wrong with the environment. */
  readonly places: () => Places
  readonly manual: readonly ManualRow[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Runs the relay until it is told to stop. */
  readonly start: (how?: StartWish) => Promise<number>
}

export interface StartWish {
  /** All mail is held before any of it can leave. */
  readonly held?: OperatorAct
}

/** The settings that commands need. */
export interface Places {
  /** The data folder. */
  readonly data: string
  /** The folder of `policies/` and `queues/` that counts. */
  readonly config: string
  /** Where an operator's own is, or would be written: another than `config` while that is as shipped. */
  readonly own: string
  /** The resolver, `host:port`; absent: the system's. */
  readonly dns?: string | undefined
  readonly hostname: string
  /** Where the queue is, when it is in Redis. */
  readonly redis?: RedisPlace | undefined
}

/** One setting, as the manual prints it. */
export interface ManualRow {
  readonly from: string
  readonly default: string
  readonly says: string
}

/** Stops a command: the sentence says what to do next. */
export class CommandError extends Error {
  /** 1: failed or nothing found; 2: wrong use. */
  readonly code: 1 | 2

  constructor(message: string, code: 1 | 2 = 1, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.code = code
  }
}
