// Mail between acceptance and its first attempt, so that the usual message is never read back.
// Bounded: the oldest goes first, and is then read from the store like any other.

import { parseId } from '../ids.ts'
import type { NewMail } from '../port.ts'

interface Kept {
  readonly mail: NewMail
  readonly bytes: number
  /** Deliveries that were not taken yet. */
  left: number
}

/** What a message costs beside its content, about. */
const OVERHEAD = 2048

export class FreshMail {
  #kept = new Map<number, Kept>()
  #bytes = 0
  #limit: number
  #gone: number[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  keep(mail: NewMail): void {
    const number = parseId(mail.id)
    if (number === undefined || this.#kept.has(number)) return
    const bytes = (mail.content.bytes?.length ?? 0) + OVERHEAD
    this.#kept.set(number, { mail, bytes, left: mail.deliveries.length })
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#limit) break
      this.drop(oldest)
      this.#gone.push(oldest)
    }
  }

  take(number: number): NewMail | undefined {
    const kept = this.#kept.get(number)
    if (kept === undefined) return undefined
    kept.left--
    if (kept.left <= 0) this.drop(number)
    return kept.mail
  }

  drop(number: number): void {
    const kept = this.#kept.get(number)
    if (kept === undefined) return
    this.#kept.delete(number)
    this.#bytes -= kept.bytes
  }

  /** What had to go since the last call. */
  gone(): number[] {
    return this.#gone.length === 0 ? NONE : this.#gone.splice(0)
  }
}

const NONE: number[] = []
