// Time as an argument. Everything that waits or dates a fact asks a clock it was
// given, so that a week of retries is a test of a millisecond.

/** Stops a pending call; stopping twice, or too late, does nothing. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since 1970, by the wall. */
  now(): number
  /** Milliseconds that go by whatever is done to the wall clock; absent: `now` tells. */
  steady?(): number
  /** Calls once, after this many milliseconds; never synchronously. */
  after(milliseconds: number, call: () => void): Cancel
}

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after(milliseconds, call) {
    // Node fires at once what is further away than 2^31 - 1 milliseconds.
    const timer = setTimeout(call, Math.min(Math.max(milliseconds, 0), 2_147_483_647))
    return () => clearTimeout(timer)
  },
}

/** For spans of time: a wall clock that is set makes nobody late. */
export function steady(clock: Clock): number {
  return clock.steady?.() ?? clock.now()
}

/** Resolves after this long, or at once when the signal fires. */
export function pause(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(milliseconds, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}
