// How long a client may take: for a command, for a message, and for saying nothing that leads to
// one. Looked at now and then, with counters that a session keeps anyway.

import type { ListenRules } from '../../policy/policy.ts'

/** What a client is at. */
export interface Standing {
  /** It waits for us. */
  readonly working: boolean
  /** Content that comes: since when, and how many bytes so far. */
  readonly content: { readonly since: number; readonly bytes: number } | undefined
  readonly inTransaction: boolean
  /** Nothing is under way, and it has greeted. */
  readonly resting: boolean
  /** Grows with all that leads to mail: a sender, a new recipient, a login, a message taken. */
  readonly progress: number
}

/** What content is measured over, in milliseconds. */
const SPAN = 60_000
/** Where strangers take the places of others they are given only this long. */
const HURRY = 10_000
const HURRIED_AGE = 30_000

type Content = NonNullable<Standing['content']>

interface Mark {
  readonly at: number
  readonly bytes: number
}

export class Patience {
  /** When we last said something. */
  #saidAt: number
  #progress = 0
  #progressAt: number
  #mark: Mark | undefined
  #slow = false

  constructor(now: number) {
    this.#saidAt = now
    this.#progressAt = now
  }

  said(now: number): void {
    this.#saidAt = now
  }

  isOver(now: number, standing: Standing, rules: ListenRules, hurry: boolean): boolean {
    const { deadlines } = rules
    if (standing.progress !== this.#progress) this.#advance(now, standing.progress)
    if (standing.content === undefined) this.#forgetContent()
    if (standing.working) return false
    if (standing.content !== undefined) return this.#crawls(now, standing.content, rules)
    const { idle, command, age, message } = deadlines
    const silence = standing.resting ? idle : command
    if (now - this.#saidAt >= (hurry ? Math.min(silence, HURRY) : silence)) return true
    const patience = standing.inTransaction ? message : hurry ? Math.min(age, HURRIED_AGE) : age
    return now - this.#progressAt >= patience
  }

  #forgetContent(): void {
    this.#mark = undefined
    this.#slow = false
  }

  #advance(now: number, progress: number): void {
    this.#progress = progress
    this.#progressAt = now
  }

  /** Takes longer than a message may, and is not fast enough to be given more time. */
  #crawls(now: number, content: Content, { deadlines, contentRate }: ListenRules): boolean {
    const { since, bytes } = content
    this.#mark ??= { at: since, bytes: 0 }
    this.#progressAt = now
    const elapsed = now - this.#mark.at
    if (elapsed >= Math.min(SPAN, deadlines.message)) {
      this.#slow = (bytes - this.#mark.bytes) * 1000 < contentRate * elapsed
      this.#mark = { at: now, bytes }
    }
    return this.#slow && now - since >= deadlines.message
  }
}
