// Where TLS failed a short while ago. Opportunistic mail goes in clear there at once, instead of
// waiting a minute on each new connection for a handshake that somebody on the way drops. What fails
// at once is as good as not remembered: to try TLS again is worth a call.

const TIMES_ITS_COST = 10
/** Milliseconds. */
const MOST = 600_000

/** Places that are remembered at one time; the oldest gives way. */
const PLACES = 1000

interface Failure {
  readonly reason: string
  readonly until: number
}

export class FailedTls {
  #failures = new Map<string, Failure>()

  /** @param cost how long it took to fail, in milliseconds */
  remember(place: string, reason: string, now: number, cost: number): void {
    this.#failures.delete(place)
    if (this.#failures.size >= PLACES) this.#failures.delete(this.#failures.keys().next().value!)
    const span = Math.min(TIMES_ITS_COST * cost, MOST)
    this.#failures.set(place, { reason, until: now + span })
  }

  /** Why it failed there, while that is worth knowing. */
  recall(place: string, now: number): string | undefined {
    const failure = this.#failures.get(place)
    if (failure === undefined || failure.until > now) return failure?.reason
    this.#failures.delete(place)
    return undefined
  }
}
