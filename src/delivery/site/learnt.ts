// What a site's servers enforce without announcing it: how many messages a connection carries, how many
// recipients a transaction may have, and whether what they refuse on a used connection is taken on a
// fresh one. Learnt from what they did, and forgotten after an hour: limits change.

const HOUR = 3_600_000
/** A refusal that a fresh connection did not help is asked about again after this. */
const NO_HELP = 10 * 60_000
/** Refusals of different words that are remembered. */
const REFUSALS = 20

interface Figure {
  readonly value: number
  readonly until: number
}

export class Learnt {
  /** The last two connections that were full: a limit is what two of them agree on. */
  #full: Figure[] = []
  #width: Figure | undefined
  /** Refusals that a fresh connection repeated, until when that is believed. */
  #noHelp = new Map<string, number>()

  /** Messages that a connection carries. */
  messages(now: number): number {
    if (this.#full.length < 2) return Infinity
    const values = this.#full.map(({ value, until }) => (now < until ? value : Infinity))
    return Math.max(...values)
  }

  /** Recipients that a transaction may have. */
  recipients(now: number): number {
    return this.#width !== undefined && now < this.#width.until ? this.#width.value : Infinity
  }

  /** A connection that carried so many messages took no more, and a fresh one did. */
  wasFull(messages: number, now: number): void {
    if (messages > 0) this.#full = [...this.#full.slice(-1), { value: messages, until: now + HOUR }]
  }

  /** A transaction had too many recipients: a narrower one may do. */
  tooWide(width: number, now: number): void {
    const value = Math.max(1, Math.min(width, this.recipients(now)))
    this.#width = { value, until: now + HOUR }
  }

  /** What a used connection refused in these words may be taken on a fresh one. */
  freshMayHelp(refusal: string, now: number): boolean {
    return now >= (this.#noHelp.get(refusal) ?? 0)
  }

  /** A fresh connection said the same. */
  freshDidNotHelp(refusal: string, now: number): void {
    this.#noHelp.delete(refusal)
    this.#noHelp.set(refusal, now + NO_HELP)
    if (this.#noHelp.size > REFUSALS) this.#noHelp.delete(this.#noHelp.keys().next().value!)
  }
}
