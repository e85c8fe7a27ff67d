// So many at one time, and the others in the order in which they came. A place that becomes free is
// handed to whoever waits longest, so that no newcomer slips in between.

import type { Clock } from './clock.ts'

export interface SemaphoreOptions {
  readonly places: number
  /** How many may wait; without: any number. */
  readonly waiters?: number
  /** How long each may wait; without: until there is a place. */
  readonly patience?: { readonly clock: Clock; readonly milliseconds: number }
}

export class Semaphore {
  readonly #options: SemaphoreOptions
  readonly #waiting = new Set<() => void>()
  #free: number

  constructor(options: SemaphoreOptions) {
    this.#options = options
    this.#free = options.places
  }

  /** A place, given back when it is disposed; `undefined`: too many wait, or it took too long. */
  enter(): Promise<Disposable | undefined> {
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve(this.#place())
    }
    const { waiters = Infinity, patience } = this.#options
    if (this.#waiting.size >= waiters) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<Disposable | undefined>()
    const turn = (): void => {
      cancel?.()
      this.#waiting.delete(turn)
      resolve(this.#place())
    }
    const cancel = patience?.clock.after(patience.milliseconds, () => {
      this.#waiting.delete(turn)
      resolve(undefined)
    })
    this.#waiting.add(turn)
    return promise
  }

  #place(): Disposable {
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (!held) return
        held = false
        this.#leave()
      },
    }
  }

  // Handed on before anybody else runs: the count of free places stays as it is.
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free++
    else next()
  }
}
