// What is done again and again: the next round is set when the one before has ended.

import type { Cancel, Clock } from './clock.ts'

export interface RepeatOptions {
  readonly clock: Clock
  /** Milliseconds from the end of a round to the next. */
  readonly every: number | (() => number)
  /** Milliseconds to the first round; absent: as between rounds. */
  readonly first?: number
  /** Answers with the milliseconds to the next round, where it is not as usual. */
  readonly round: () => number | void | Promise<number | void>
  /** Told of a round that failed; the next comes as usual. Absent: rounds do not fail. */
  readonly failed?: (error: unknown) => void
}

export class Repeat implements AsyncDisposable {
  #options: RepeatOptions
  #cancel: Cancel
  #running: Promise<void> | void = undefined
  #stopped = false

  constructor(options: RepeatOptions) {
    this.#options = options
    this.#cancel = this.#next(options.first)
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** No further round; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel()
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #next(wait: number | undefined): Cancel {
    const { clock, every } = this.#options
    const usual = typeof every === 'number' ? every : every()
    return clock.after(wait ?? usual, () => {
      this.#running = this.#round()
    })
  }

  #round(): void | Promise<void> {
    const { round, failed } = this.#options
    const again = (wait?: number | void): void => {
      if (!this.#stopped) this.#cancel = this.#next(wait ?? undefined)
    }
    const done = round()
    if (!(done instanceof Promise)) return again(done)
    return done.then(again, (error: unknown) => {
      failed?.(error)
      again()
    })
  }
}
