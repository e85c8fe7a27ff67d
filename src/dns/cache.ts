// Answers of name servers, kept for as long as they hold, and no more than so many of them.

import type { Clock } from '../base/clock.ts'
import type { Answer } from './answer.ts'

const COUNT = 20_000
/** Seconds. Shorter would ask for each message anew, longer would miss a move of servers. */
const LEAST = 5
const MOST = 86_400
/** RFC 2308 5 advises one to three hours for what is not there. */
const MOST_FOR_NOTHING = 10_800

export class AnswerCache {
  readonly #clock: Clock
  readonly #answers = new Map<string, { readonly answer: Answer; readonly until: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(key: string): Answer | undefined {
    const kept = this.#answers.get(key)
    if (kept === undefined) return undefined
    if (this.#clock.now() < kept.until) return kept.answer
    this.#answers.delete(key)
    return undefined
  }

  set(key: string, answer: Answer, ttl: number): void {
    const most = answer.kind === 'records' ? MOST : MOST_FOR_NOTHING
    const seconds = Math.min(Math.max(ttl, LEAST), most)
    this.#answers.delete(key)
    this.#answers.set(key, { answer, until: this.#clock.now() + seconds * 1000 })
    // The oldest is the first: a map keeps the order of insertion.
    if (this.#answers.size > COUNT) this.#answers.delete(this.#answers.keys().next().value!)
  }
}
