// Numbers of facts in the order over all, and the rows that have them.

/** Numbers that a millisecond has: by the clock, so that a store put back from a copy gives none again. */
export const PER_MILLISECOND = 1024

/** The number of the first fact, and JSON of the messages: theirs are the numbers from there on. */
export type ChangeRow = readonly [first: number, messages: string]

/** The messages of a row that says up to which number the order is kept no more. */
export const NONE = '[]'

/** The number of the row's last fact. */
export function lastOf(row: ChangeRow | undefined): number {
  if (row === undefined) return 0
  const [first, messages] = row
  return first + Math.max(0, (JSON.parse(messages) as number[]).length - 1)
}
