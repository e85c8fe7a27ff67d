// A clock that its test owns: time passes when the test says so, and what falls due is
// called in order of time.

import type { Cancel, Clock } from '../../src/base/clock.ts'

interface Alarm {
  readonly at: number
  readonly call: () => void
}

export class ManualClock implements Clock {
  #now: number
  /** By how much it was set. */
  #shift = 0
  #alarms: Alarm[] = []

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  after(milliseconds: number, call: () => void): Cancel {
    const alarm = { at: this.#now + Math.max(milliseconds, 0), call }
    this.#alarms.push(alarm)
    if (milliseconds <= 0) setImmediate(() => this.#ring(this.#now))
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
    }
  }

  /** Moves on, and calls what falls due on the way at its own time. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds
    this.#ring(end)
    this.#now = end
  }

  /** The wall clock was set: nothing falls due by that. */
  set(now: number): void {
    this.#shift += now - this.#now
    this.#now = now
  }

  steady(): number {
    return this.#now - this.#shift
  }

  #ring(end: number): void {
    for (;;) {
      const first = this.#alarms
        .filter(({ at }) => at <= end)
        .reduce<Alarm | undefined>((a, b) => (a === undefined || b.at < a.at ? b : a), undefined)
      if (first === undefined) return
      this.#alarms = this.#alarms.filter((alarm) => alarm !== first)
      this.#now = Math.max(this.#now, first.at)
      first.call()
    }
  }
}
