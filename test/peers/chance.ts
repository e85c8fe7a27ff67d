// Chance that can be had again, and how much of it: one seed for a whole run, which `vitest.config.ts`
// picks and prints, and a tenth of the repetitions unless the full form is asked for.

import { onTestFailed } from 'vitest'

/** `WAYPOST_TEST_FULL=1`: all repetitions, full lengths of time, both engines for every story. */
export const FULL = process.env['WAYPOST_TEST_FULL'] === '1'
/** Of all chance in this run. */
export const SEED = Number(process.env['WAYPOST_TEST_SEED'])

/** From 0 up to 1, like `Math.random`. */
export type Chance = () => number

/** For a test, which says how to have the same numbers again when it fails. */
export function chance(seed = SEED): Chance {
  onTestFailed(({ task }) => {
    console.error(`WAYPOST_TEST_SEED=${SEED} gives the chance of "${task.name}" again`)
  })
  return numbersFrom(seed)
}

/** Mulberry32: small, seeded, good enough to pick with. */
function numbersFrom(seed: number): Chance {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** So many in the full form, else a tenth. */
export function often(full: number): number {
  return FULL ? full : Math.ceil(full / 10)
}

/** For fast-check, which prints the seed where a property fails. */
export function runs(full: number): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: often(full), seed: SEED }
}
