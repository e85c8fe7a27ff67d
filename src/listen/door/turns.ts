// Whose bytes are read next. What a client sends is work for the one thread that serves all, so a
// session reads a few dozen lines and then waits until the others have had their turn. Clients that
// may send come first, then strangers, then those that have more than a turn's at once: these two
// get a small part of each round of the event loop.

/** A session that waits for its turn. */
export interface Waiting {
  /** It is no stranger. */
  readonly maySend: boolean
  /** Reads on. What this costs is told by `spend`; who has more than a turn's waits again. */
  resume(): void
}

/** Lines (or kilobytes of content) of one round: about a millisecond. */
const ROUND = 400
/** What of it strangers may use before others have had their turn. */
const STRANGERS = 100
/** What of each round is left for those who have more than a turn's. */
const REST = 100

export class Turns {
  readonly #known = new Set<Waiting>()
  readonly #strangers = new Set<Waiting>()
  readonly #many = new Set<Waiting>()
  readonly #nextRound: (work: () => void) => void
  #spent = 0
  #scheduled = false

  constructor(nextRound: (work: () => void) => void = setImmediate) {
    this.#nextRound = nextRound
  }

  /** May this session read what has come? If not, it is resumed in its turn. */
  mayRead(session: Waiting): boolean {
    if (this.#spent < STRANGERS) return true
    const known = session.maySend
    if (known && this.#spent < ROUND) return true
    if (known) this.#known.add(session)
    else this.#strangers.add(session)
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
    this.#known.delete(session)
    this.#strangers.delete(session)
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
    this.#serve(this.#known, ROUND)
    this.#serve(this.#strangers, this.#spent + STRANGERS)
    this.#serve(this.#many, this.#spent + REST)
    if (this.#known.size + this.#strangers.size + this.#many.size > 0) this.#schedule()
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
