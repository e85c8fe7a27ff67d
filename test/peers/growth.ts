// How work grows with what it is given, told by comparing: a slow machine is slow at both.

/** How many times longer `long` takes than `short`, at their best of several turns. */
export function timesLonger(long: () => void, short: () => void): number {
  const best = { long: Infinity, short: Infinity }
  for (let turn = 0; turn < TURNS; turn++) {
    best.short = Math.min(best.short, timeOf(short))
    best.long = Math.min(best.long, timeOf(long))
  }
  return best.long / Math.max(best.short, SHORTEST)
}

/**
 * The same of a hundred times as much: 100 to 300 where each piece is looked at once (the collector of
 * garbage has more to do then), 10,000 where all meet all. `LINEAR` lies between.
 */
export function growth(work: (size: number) => void, size: number): number {
  return timesLonger(
    () => work(100 * size),
    () => work(size),
  )
}

export const LINEAR = 1000

const TURNS = 5
/** Milliseconds below which chance is larger than what is measured. */
const SHORTEST = 0.1

function timeOf(work: () => void): number {
  const begun = performance.now()
  work()
  return performance.now() - begun
}
