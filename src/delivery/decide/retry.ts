// When a recipient is tried again. Pure: the schedule, the time and the chance are arguments.

/**
 * The time of the next attempt, up to a tenth later than the schedule says, or everything that one
 * outage deferred would return at one instant.
 * @param retry milliseconds after each attempt; the last repeats
 * @param attempts how many have been made, this one included
 * @param chance from 0 to 1
 */
export function nextAttempt(
  retry: readonly number[],
  attempts: number,
  now: number,
  chance: number,
): number {
  const delay = retry[Math.max(0, attempts - 1)] ?? retry.at(-1) ?? 0
  return Math.round(now + delay * (1 + chance / 10))
}
