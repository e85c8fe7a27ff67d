// Mail between acceptance and its first attempt, so that the usual message is never read back.
// Bounded: the oldest goes first, and is then read from the store like any other.

import type { NewMail } from './port/intake.ts'

interface Kept {
  readonly mail: NewMail
  readonly bytes: number
  /** Deliveries that were not taken yet. */
  left: number
}

/** What a message costs beside its content, about. */
const OVERHEAD = 2048

/** `Key` is whatever the engine knows a message by. */
export class FreshMail<Key> {
  #kept = new Map<Key, Kept>()
  #bytes = 0
  #limit: number
  #had: (key: Key) => void

  /** @param had is told what had to go before it was taken */
  constructor(limit: number, had: (key: Key) => void = () => {}) {
    this.#limit = limit
    this.#had = had
  }

  keep(key: Key, mail: NewMail): void {
    if (this.#kept.has(key)) return
    const bytes = (mail.content.bytes?.length ?? 0) + OVERHEAD
    if (bytes > this.#limit) return this.#had(key)
    this.#kept.set(key, { mail, bytes, left: mail.deliveries.length })
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#limit) break
      this.drop(oldest)
      this.#had(oldest)
    }
  }

  take(key: Key): NewMail | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    kept.left--
    if (kept.left <= 0) this.drop(key)
    return kept.mail
  }

  drop(key: Key): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#kept.delete(key)
    this.#bytes -= kept.bytes
  }
}
