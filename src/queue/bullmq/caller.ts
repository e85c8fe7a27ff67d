// How functions of the library are called: with the prefix, both clocks, who calls, and what is given; and what they
// answer: a value, lanes that may be claimed, and events that only they can tell.

import type { IRedisTransaction } from 'bullmq'
import type { Redis } from 'ioredis'

import type { Clock } from '../../base/clock.ts'
import { queueError } from './link.ts'
import { loadLibrary, readLibrary } from './library.ts'
import type { FunctionName } from './library.ts'
import type { LeaseTime } from './time.ts'

export interface Answer {
  readonly value: unknown
  /** Lanes that may be claimed from a time on: "time lane". */
  readonly woken: readonly unknown[]
  /** JSON of events. */
  readonly told: readonly unknown[]
}

export interface CallerOptions {
  readonly prefix: string
  readonly me: string
  readonly clock: Clock
  readonly time: LeaseTime
}

type Word = string | number | Uint8Array

interface Functions {
  fcall(name: string, keys: number, ...words: Word[]): Promise<unknown>
  fcallBuffer(name: string, keys: number, ...words: Word[]): Promise<unknown>
}

export class Caller {
  readonly prefix: string
  readonly me: string
  #clock: Clock
  #time: LeaseTime
  #library = readLibrary().name

  constructor({ prefix, me, clock, time }: CallerOptions) {
    this.prefix = prefix
    this.me = me
    this.#clock = clock
    this.#time = time
  }

  words(given: object, ...raw: Word[]): Word[] {
    const json = JSON.stringify(given)
    return [this.prefix, this.#clock.now(), this.#time.now(), this.me, json, ...raw]
  }

  /** Puts a call into a transaction; its texts come as bytes. */
  join(multi: IRedisTransaction, name: FunctionName, given: object, ...raw: Word[]): void {
    const functions = multi as unknown as Functions
    void functions.fcallBuffer(`${this.#library}_${name}`, 1, ...this.words(given, ...raw))
  }

  /** Calls a function by itself. Rejects with a `QueueError`. */
  call(redis: Redis, name: FunctionName, given: object, ...raw: Word[]): Promise<Answer> {
    const words = this.words(given, ...raw)
    return this.#call(redis, () =>
      functionsOf(redis).fcall(`${this.#library}_${name}`, 1, ...words),
    )
  }

  /** The same, with texts as bytes. */
  callBytes(redis: Redis, name: FunctionName, given: object): Promise<Answer> {
    const words = this.words(given)
    return this.#call(redis, () =>
      functionsOf(redis).fcallBuffer(`${this.#library}_${name}`, 1, ...words),
    )
  }

  async #call(redis: Redis, work: () => Promise<unknown>): Promise<Answer> {
    try {
      return answerOf(await work())
    } catch (error) {
      if (!isForgotten(error)) throw queueError(error)
    }
    try {
      await loadLibrary(redis)
      return answerOf(await work())
    } catch (error) {
      throw queueError(error)
    }
  }
}

function functionsOf(redis: Redis): Functions {
  return redis as unknown as Functions
}

/** Somebody has emptied the server of functions or scripts. */
export function isForgotten(error: unknown): boolean {
  return error instanceof Error && /^NOSCRIPT|Function not found/.test(error.message)
}

export function answerOf(reply: unknown): Answer {
  const [value, woken, told] = reply as [unknown, unknown[], unknown[]]
  return { value, woken, told }
}
