// A binary heap of things by time, the earliest first. What has changed its mind is not taken
// out but recognised when its turn comes: the caller checks.

export interface Timed<Thing> {
  readonly at: number
  readonly thing: Thing
}

export class Heap<Thing> {
  #entries: Timed<Thing>[] = []

  get first(): Timed<Thing> | undefined {
    return this.#entries[0]
  }

  push(at: number, thing: Thing): void {
    const entries = this.#entries
    let place = entries.length
    const entry = { at, thing }
    while (place > 0) {
      const above = (place - 1) >> 1
      if (entries[above]!.at <= at) break
      entries[place] = entries[above]!
      place = above
    }
    entries[place] = entry
  }

  pop(): Timed<Thing> | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (last !== undefined && entries.length > 0) this.#sink(last)
    return first
  }

  #sink(entry: Timed<Thing>): void {
    const entries = this.#entries
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= entries.length) break
      if (below + 1 < entries.length && entries[below + 1]!.at < entries[below]!.at) below++
      if (entries[below]!.at >= entry.at) break
      entries[place] = entries[below]!
      place = below
    }
    entries[place] = entry
  }
}
