// Who waits for one of the few places where passwords are hashed. Each network has its turn, those
// with failures come last and never have all places, so that nobody keeps others out by asking
// more often.

import type { Clock } from '../../base/clock.ts'

/** Hashes at once. */
const PLACES = 2
/** For networks with failures. */
const PLACES_OF_FAILED = 1
const WAITERS = 100
/** Milliseconds. */
const LONGEST_WAIT = 5000

type Waiter = (turn: boolean) => void

export class LoginLine {
  readonly #clock: Clock
  readonly #hasFailed: (network: string) => boolean
  /** Each with at least one; whose turn it is comes first. */
  readonly #waiting = new Map<string, Waiter[]>()
  #count = 0
  #running = 0

  constructor(clock: Clock, hasFailed: (network: string) => boolean) {
    this.#clock = clock
    this.#hasFailed = hasFailed
  }

  /** Waits for a place; false when that would take too long. Who was let in leaves. */
  async enter(network: string): Promise<boolean> {
    if (this.#mayStart(network)) {
      this.#running++
      return true
    }
    if (this.#count >= WAITERS && !this.#makeRoom(network)) return false
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiter = (turn: boolean): void => {
      cancel()
      resolve(turn)
    }
    const cancel = this.#clock.after(LONGEST_WAIT, () => this.#sendAway(network, waiter))
    const others = this.#waiting.get(network)
    if (others === undefined) this.#waiting.set(network, [waiter])
    else others.push(waiter)
    this.#count++
    return promise
  }

  leave(): void {
    this.#running--
    for (let one = this.#next(); one !== undefined && this.#mayStart(one); one = this.#next())
      this.#start(one)
  }

  #start(network: string): void {
    const waiters = this.#waiting.get(network)!
    this.#waiting.delete(network)
    if (waiters.length > 1) this.#waiting.set(network, waiters) // at the end
    this.#count--
    this.#running++
    waiters.shift()!(true)
  }

  #mayStart(network: string): boolean {
    return this.#running < (this.#hasFailed(network) ? PLACES_OF_FAILED : PLACES)
  }

  #next(): string | undefined {
    for (const network of this.#waiting.keys()) if (!this.#hasFailed(network)) return network
    return this.#waiting.keys().next().value
  }

  /** Sends away the last of whoever has most, if that is more than the newcomer would have. */
  #makeRoom(newcomer: string): boolean {
    let most = newcomer
    for (const network of this.#waiting.keys())
      if (this.#weight(network) > this.#weight(most)) most = network
    if (most === newcomer || this.#weight(most) <= this.#weight(newcomer) + 1) return false
    this.#sendAway(most, this.#waiting.get(most)!.at(-1)!)
    return true
  }

  /** Its waiters; one with failures has more of them than any without. */
  #weight(network: string): number {
    const waiters = this.#waiting.get(network)?.length ?? 0
    return this.#hasFailed(network) ? waiters + WAITERS : waiters
  }

  #sendAway(network: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(network)!
    waiters.splice(waiters.indexOf(waiter), 1)
    if (waiters.length === 0) this.#waiting.delete(network)
    this.#count--
    waiter(false)
  }
}
