// One setting: its variable, and what stands in the manual.

export interface Row<T> {
  readonly from: string
  /** What stands in the manual; an empty one means "not set". */
  readonly default: string
  /** Throws a sentence that says what should be written. */
  readonly read: (text: string) => T
  readonly says: string
}

/** Rows of one group, by the names that the code calls them. */
export type Rows = Readonly<Record<string, Row<unknown>>>

export type ValuesOf<Table extends Rows> = {
  readonly [Name in keyof Table]: ReturnType<Table[Name]['read']>
}

export function row<T>(
  from: string,
  fallback: string,
  read: (text: string) => T,
  says: string,
): Row<T> {
  return { from, default: fallback, read, says }
}
