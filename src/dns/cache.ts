// Answers of name servers, kept for as long as they hold, and in so many bytes at most: whoever
// owns a zone decides how much an answer holds. Those that nobody asked for longest go first.

import type { Clock } from '../base/clock.ts'
import type { Answer } from './answer.ts'

/** Estimated; some 60,000 usual answers. */
const BYTES = 32 * 1024 ** 2
/** Seconds. Shorter would ask for each message anew, longer would miss a move of servers. */
const LEAST = 5
const MOST = 86_400
/** RFC 2308 5 advises one to three hours for what is not there. */
const MOST_FOR_NOTHING = 10_800

interface Kept {
  readonly answer: Answer
  readonly until: number
  readonly bytes: number
}

export class AnswerCache {
  readonly #clock: Clock
  readonly #most: number
  // The one that was asked for longest ago is the first: a map keeps the order of insertion.
  readonly #answers = new Map<string, Kept>()
  #bytes = 0

  constructor(clock: Clock, most = BYTES) {
    this.#clock = clock
    this.#most = most
  }

  /** Bytes that are kept, estimated. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): Answer | undefined {
    const kept = this.#answers.get(key)
    if (kept === undefined) return undefined
    this.#drop(key, kept)
    if (this.#clock.now() >= kept.until) return undefined
    this.#put(key, kept)
    return kept.answer
  }

  set(key: string, answer: Answer, ttl: number): void {
    const most = answer.kind === 'records' ? MOST : MOST_FOR_NOTHING
    const seconds = Math.min(Math.max(ttl, LEAST), most)
    const before = this.#answers.get(key)
    if (before !== undefined) this.#drop(key, before)
    const until = this.#clock.now() + seconds * 1000
    this.#put(key, { answer, until, bytes: bytesOf(key, answer) })
    for (const [oldest, kept] of this.#answers) {
      if (this.#bytes <= this.#most) break
      this.#drop(oldest, kept)
    }
  }

  #put(key: string, kept: Kept): void {
    this.#answers.set(key, kept)
    this.#bytes += kept.bytes
  }

  #drop(key: string, kept: Kept): void {
    this.#answers.delete(key)
    this.#bytes -= kept.bytes
  }
}

/** Of an entry without records, and of each record beside its text: objects, and their places. */
const ENTRY = 300
const RECORD = 80

function bytesOf(key: string, answer: Answer): number {
  const own = ENTRY + key.length
  if (answer.kind !== 'records') return own
  const sizes = answer.records.map((record) => RECORD + textOf(record).length)
  return sizes.reduce((sum, size) => sum + size, own + answer.name.length)
}

function textOf(record: string | { readonly exchange: string }): string {
  return typeof record === 'string' ? record : record.exchange
}
