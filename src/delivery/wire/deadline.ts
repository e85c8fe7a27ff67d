// The time by which the current phase must be over. A phase sets a number; the one timer is
// armed anew only when it would fire too late, so that a message costs no timer.

import { steady } from '../../base/clock.ts'
import type { Cancel, Clock } from '../../base/clock.ts'

export class Deadline {
  readonly #clock: Clock
  readonly #passed: () => void
  #cancel: Cancel | undefined
  #armedFor = 0
  #at: number | undefined
  #span = 0

  constructor(clock: Clock, passed: () => void) {
    this.#clock = clock
    this.#passed = passed
  }

  /** Calls `passed` after this many milliseconds, unless it is set anew or cleared before. */
  set(milliseconds: number): void {
    const at = steady(this.#clock) + milliseconds
    this.#at = at
    this.#span = milliseconds
    if (this.#cancel === undefined || this.#armedFor > at) this.#arm(at, milliseconds)
  }

  /** Nothing is awaited. A timer that is armed may still wake up, and finds nothing to do. */
  clear(): void {
    this.#at = undefined
  }

  close(): void {
    this.#at = undefined
    this.#cancel?.()
    this.#cancel = undefined
  }

  #arm(at: number, milliseconds: number): void {
    this.#cancel?.()
    this.#armedFor = at
    this.#cancel = this.#clock.after(milliseconds, () => this.#wake())
  }

  #wake(): void {
    this.#cancel = undefined
    if (this.#at === undefined) return
    const left = this.#at - steady(this.#clock)
    if (left <= 0) {
      this.#at = undefined
      return this.#passed()
    }
    // More is left than the phase has: the wall clock was set back. The phase begins again.
    const span = Math.min(left, this.#span)
    this.#at = steady(this.#clock) + span
    this.#arm(this.#at, span)
  }
}
