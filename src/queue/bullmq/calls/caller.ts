// How functions of the library are called: with the prefix, both clocks, who calls, and what is given; and what they
// answer: a value, lanes that may be claimed, and events that only they can tell.

import type { Redis } from 'ioredis'

import type { Clock } from '../../../base/clock.ts'
import { queueError } from '../link/link.ts'
import { loadLibrary, readLibrary } from '../link/library.ts'
import type { FunctionName, ScriptName } from '../link/library.ts'
import type { LeaseTime } from '../link/time.ts'

export interface Answer<Value = unknown> {
  readonly value: Value
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

/** Of a call's arguments. */
export type Word = string | number | Uint8Array

/** A script of BullMQ, or a function of ours with what it is given; and their words. */
export type Entry =
  | { readonly name: ScriptName; readonly keys: SharedKeys; readonly words: readonly Word[] }
  | { readonly name: FunctionName; readonly given: object; readonly words: readonly Word[] }

/** The keys that a script uses, the same for many; where the job's own belongs, if anywhere, that is the first word. */
export interface SharedKeys {
  readonly keys: readonly string[]
  /** From 1. */
  readonly own?: number
}

interface Functions {
  fcall(name: string, keys: number, words: readonly Word[]): Promise<unknown>
  fcallBuffer(name: string, keys: number, words: readonly Word[]): Promise<unknown>
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

  #words(given: object, raw: readonly Word[]): readonly Word[] {
    const json = JSON.stringify(given)
    return [this.prefix, this.#clock.now(), this.#time.now(), this.me, json, ...raw]
  }

  /**
   * Does what many ask for in one call: none of it is stopped by what goes wrong with another. Rejects with a
   * `QueueError` where nothing of it was done, or nobody knows; else the value has for each entry what it
   * answers, or a `QueueError`.
   * @param confirm sent right behind it
   */
  async steps(
    redis: Redis,
    entries: readonly Entry[],
    confirm?: () => Promise<void>,
  ): Promise<Answer<readonly unknown[]>> {
    const keys = new Map<SharedKeys, number>()
    const raw: Word[] = []
    const list = entries.map((entry) => {
      const before = raw.length
      if ('given' in entry) raw.push(JSON.stringify(entry.given))
      for (const word of entry.words) raw.push(word)
      const count = raw.length - before
      if ('given' in entry) return [entry.name, count]
      if (!keys.has(entry.keys)) keys.set(entry.keys, keys.size + 1)
      return [entry.name, count, keys.get(entry.keys)!]
    })
    const words = this.#words({ keys: [...keys.keys()], list }, raw)
    const { value, woken, told } = await this.#call(redis, async () => {
      const reply = functionsOf(redis).fcallBuffer(`${this.#library}_steps`, 1, words)
      return (await Promise.all([reply, confirm?.()]))[0]
    })
    const [values, failures] = value as [unknown[], [at: number, message: Buffer][]]
    for (const [at, message] of failures) values[at - 1] = queueError(String(message))
    return { value: values, woken, told }
  }

  /** Calls a function by itself. Rejects with a `QueueError`. */
  call(redis: Redis, name: FunctionName, given: object, ...raw: Word[]): Promise<Answer> {
    const words = this.#words(given, raw)
    return this.#call(redis, () => functionsOf(redis).fcall(`${this.#library}_${name}`, 1, words))
  }

  /** The same, with texts as bytes. */
  callBytes(redis: Redis, name: FunctionName, given: object): Promise<Answer> {
    const words = this.#words(given, [])
    return this.#call(redis, () =>
      functionsOf(redis).fcallBuffer(`${this.#library}_${name}`, 1, words),
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

/** Somebody has emptied the server of functions. */
function isForgotten(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Function not found')
}

function answerOf(reply: unknown): Answer {
  const [value, woken, told] = reply as [unknown, unknown[], unknown[]]
  return { value, woken, told }
}
