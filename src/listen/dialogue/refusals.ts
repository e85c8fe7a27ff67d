// What a session is refused, as events: the first few one by one, then one with a number for all of
// a command, so that nobody writes our log.

import type { Report } from '../../mail/event.ts'
import type { Refused } from '../../submit/events.ts'

/** Events of a session, and again after each message that was taken. */
const EACH = 5

export class Refusals {
  readonly #report: Report
  /** The last of each command, by its verb; a session knows a handful. */
  readonly #more = new Map<string, { last: Refused; times: number }>()
  #told = 0

  constructor(report: Report) {
    this.#report = report
  }

  add(event: Refused): void {
    if (this.#told < EACH) {
      this.#told++
      return this.#report(event)
    }
    const verb = event.command.slice(0, 4).toUpperCase()
    this.#more.set(verb, { last: event, times: (this.#more.get(verb)?.times ?? 0) + 1 })
  }

  /** Tells what has only been counted so far. */
  flush(): void {
    this.#told = 0
    for (const { last, times } of this.#more.values())
      this.#report(times === 1 ? last : { ...last, times })
    this.#more.clear()
  }
}
