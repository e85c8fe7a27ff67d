// The lanes that wait for a connection of one site, in line. The more urgent are called first, and
// one call in eight goes to those that are less so: a one-time password does not wait behind all
// bulk to the same hosts, and bulk does not starve.

import type { Destination } from '../../mail/destination.ts'
import type { Hop } from '../../mail/path.ts'

/** A lane that waits for a connection of its site: for a `Slot`. */
export interface Waiting<Slot> {
  readonly lane: Destination
  readonly hop: Hop
  /** Of its most urgent delivery when it was claimed: 1 is first, 100 last. */
  readonly priority: number
  /** `undefined`: the wait is over without one. */
  readonly admit: (slot: Slot | undefined) => void
}

const BULK_TURN = 8

export class WaitingLanes<Slot> {
  /** As the queue claims: 1 to 9, 10 to 49, 50 to 100. */
  #bands: readonly Waiting<Slot>[][] = [[], [], []]
  #lanes = new Set<Destination>()
  #turn = 0

  get length(): number {
    return this.#lanes.size
  }

  has(lane: Destination): boolean {
    return this.#lanes.has(lane)
  }

  push(waiting: Waiting<Slot>): void {
    const band = waiting.priority < 10 ? 0 : waiting.priority < 50 ? 1 : 2
    this.#bands[band]!.push(waiting)
    this.#lanes.add(waiting.lane)
  }

  /** Whom to call now. */
  next(): Waiting<Slot> | undefined {
    const filled = this.#bands.filter((band) => band.length > 0)
    this.#turn = (this.#turn + 1) % BULK_TURN
    const waiting = (this.#turn === 0 ? filled.at(1) : undefined)?.shift() ?? filled[0]?.shift()
    if (waiting !== undefined) this.#lanes.delete(waiting.lane)
    return waiting
  }

  /** Everybody leaves it. */
  clear(): Waiting<Slot>[] {
    this.#lanes.clear()
    return this.#bands.flatMap((band) => band.splice(0))
  }
}
