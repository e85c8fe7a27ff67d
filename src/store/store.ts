// Small durable state beside the queue: what limits have counted, up to where a reader has read, answers that
// cost something. Entries are done in one step, in order; as a part of mail that is accepted or settled they
// cost no sync and no command of their own.

/** Bytes of a key and of a value: what strangers size is cut or hashed by whoever keeps it. */
export const KEY_BYTES = 512
export const VALUE_BYTES = 4096
/** Entries of one step. */
export const STEP_ENTRIES = 64
/** Keys that are kept in all: with the bytes above some 450 MB at the worst. A new one beyond is not taken. */
export const MOST_KEYS = 100_000

interface Keyed {
  /** Whose it is comes first: "limits/ana". */
  readonly key: string
}

/** Milliseconds since 1970: from then on it is as if it had never been. For ever where it is absent. */
interface Ending {
  readonly until?: number
}

export type StoreEntry =
  | (Keyed & { readonly kind: 'get' })
  | (Keyed & Ending & { readonly kind: 'put'; readonly value: string })
  /** Only where `from` is the value, or there is none where that is absent; without `to` it goes. */
  | (Keyed & Ending & { readonly kind: 'swap'; readonly from?: string; readonly to?: string })
  /** A whole number, that begins with 0; `until` is of the counter that begins. */
  | (Keyed & Ending & { readonly kind: 'add'; readonly by: number })
  | (Keyed & { readonly kind: 'drop' })

/** What an entry came to. */
export interface StoreAnswer {
  /** Not where `swap` found something else, `get` and `drop` nothing, `add` no number, or there are too many keys. */
  readonly done: boolean
  /** What is there now. */
  readonly value?: string
}

/** Told once, and not at all where nobody knows whether the step was done. */
export type Answered = (answers: readonly StoreAnswer[]) => void

export interface StoreRow {
  readonly key: string
  readonly value: string
}

export interface Store {
  /** All of them or none, in order; when it resolves as durable as what is settled. */
  apply(entries: readonly StoreEntry[]): Promise<readonly StoreAnswer[]>
  /** Keys that begin so, in order of their bytes. */
  scan(
    prefix: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly StoreRow[]>
}

/** Throws where an entry is larger than may be: that is a mistake of whoever keeps it. */
export function checkEntries(entries: readonly StoreEntry[]): void {
  if (entries.length > STEP_ENTRIES)
    throw new Error(`A step has ${entries.length} entries, should have at most ${STEP_ENTRIES}`)
  for (const entry of entries) {
    const { key } = entry
    if (key === '' || Buffer.byteLength(key) > KEY_BYTES)
      throw new Error(`The key "${key}" should have 1 to ${KEY_BYTES} bytes`)
    const value = entry.kind === 'put' ? entry.value : entry.kind === 'swap' ? entry.to : undefined
    if (value !== undefined && Buffer.byteLength(value) > VALUE_BYTES)
      throw new Error(`The value of "${key}" should have at most ${VALUE_BYTES} bytes`)
    if (entry.kind === 'add' && !Number.isSafeInteger(entry.by))
      throw new Error(`To "${key}" ${entry.by} is added, should be a whole number`)
  }
}

/** Behind the last key that begins so. */
export function endOf(prefix: string): string {
  return `${prefix}\u{10ffff}`
}
