// How scripts are called: with the prefix, both clocks, who calls, and what is given; and what they
// answer: a value, lanes that may be claimed, and events that only they can tell.

import type { IRedisTransaction } from 'bullmq'
import type { Redis } from 'ioredis'

import type { Clock } from '../../base/clock.ts'
import { queueError } from './link.ts'
import { commandOf } from './scripts.ts'
import type { ScriptName } from './scripts.ts'
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
type Scripted = Readonly<Record<string, (...words: Word[]) => Promise<unknown>>>

export class Caller {
  readonly prefix: string
  readonly me: string
  #clock: Clock
  #time: LeaseTime

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

  /** Puts a script into a transaction; its texts come as bytes. */
  join(multi: IRedisTransaction, name: ScriptName, given: object, ...raw: Word[]): void {
    multi.runCommand(`${commandOf(name)}Buffer`, this.words(given, ...raw))
  }

  /** Calls a script by itself. Rejects with a `QueueError`. */
  async call(redis: Redis, name: ScriptName, given: object, ...raw: Word[]): Promise<Answer> {
    const command = (redis as unknown as Scripted)[commandOf(name)]!
    try {
      return answerOf(await command.call(redis, ...this.words(given, ...raw)))
    } catch (error) {
      throw queueError(error)
    }
  }

  /** The same, with texts as bytes. */
  async callBytes(redis: Redis, name: ScriptName, given: object): Promise<Answer> {
    const command = (redis as unknown as Scripted)[`${commandOf(name)}Buffer`]!
    try {
      return answerOf(await command.call(redis, ...this.words(given)))
    } catch (error) {
      throw queueError(error)
    }
  }
}

export function answerOf(reply: unknown): Answer {
  const [value, woken, told] = reply as [unknown, unknown[], unknown[]]
  return { value, woken, told }
}
