// What connections of one client make us say: a few times a minute, and then once with a number,
// so that whoever opens connections without end does not write our log.

/** Says it once, for this many. */
export type Say = (times: number) => void

const MINUTE = 60_000
/** A minute, of each client. */
const EACH = 5
/** Clients that are told apart; the rest is one. */
const MOST = 1000

interface Count {
  told: number
  more: number
  last: Say
}

export class Tally {
  readonly #counts = new Map<string, Count>()
  #since = 0

  add(key: string, now: number, say: Say): void {
    if (this.#counts.size === 0) this.#since = now
    const known = this.#counts.has(key) || this.#counts.size < MOST ? key : ''
    const count = this.#counts.get(known) ?? { told: 0, more: 0, last: say }
    this.#counts.set(known, count)
    if (count.told < EACH) {
      count.told++
      return say(1)
    }
    count.more++
    count.last = say
  }

  /** Called now and then. */
  look(now: number): void {
    if (this.#counts.size > 0 && now - this.#since >= MINUTE) this.flush()
  }

  flush(): void {
    const counts = [...this.#counts.values()]
    this.#counts.clear()
    for (const { more, last } of counts) if (more > 0) last(more)
  }
}
