// Whose bytes are read next. What a client sends is work for the one thread that serves all, so a
// session reads a few dozen lines and then waits until the others have had their turn. Those that
// have more than that at once come last, and get a small part of each round of the event loop.

/** A session that waits for its turn. */
export interface Waiting {
  /** Reads on. What this costs is told by `spend`; who has more than a turn's waits again. */
  resume(): void
}

/** Lines (or kilobytes of content) of one round: about a millisecond. */
const ROUND = 400
/** What of each round is left for those who have more than a turn's. */
const REST = 100

export class Turns {
  readonly #few = new Set<Waiting>()
  readonly #many = new Set<Waiting>()
  readonly #nextRound: (work: () => void) => void
  #spent = 0
  #scheduled = false

  constructor(nextRound: (work: () => void) => void = setImmediate) {
    this.#nextRound = nextRound
  }

  /** May this session read what has come? If not, it is resumed in its turn. */
  mayRead(session: Waiting): boolean {
    if (this.#spent < ROUND) return true
    this.#few.add(session)
    return false
  }

  /** It has read a turn's, and has more. */
  wait(session: Waiting): void {
    this.#many.add(session)
    this.#schedule()
  }

  spend(cost: number): void {
    this.#spent += cost
    this.#schedule()
  }

  leave(session: Waiting): void {
    this.#few.delete(session)
    this.#many.delete(session)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#nextRound(this.#round)
  }

  readonly #round = (): void => {
    this.#scheduled = false
    this.#spent = 0
    this.#serve(this.#few, ROUND)
    this.#serve(this.#many, this.#spent + REST)
    if (this.#few.size > 0 || this.#many.size > 0) this.#schedule()
  }

  // Whoever waits again stands at the end of the line.
  #serve(line: Set<Waiting>, until: number): void {
    for (let left = line.size; left > 0 && this.#spent < until; left--) {
      const [first] = line
      line.delete(first!)
      first!.resume()
    }
  }
}
