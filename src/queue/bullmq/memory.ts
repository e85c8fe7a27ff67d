// The server's memory, looked at every second: mail is refused well before Redis would refuse to write,
// so that what was accepted can go on; and history gives way before mail is refused.

import type { Cancel, Clock } from '../../base/clock.ts'
import { memoryOf, parseInfo } from './durability.ts'
import type { Link } from './link.ts'

const EVERY = 1000
/** Of `maxmemory`: from here on no mail is taken. */
const FULL = 0.8
/** And below this it is taken again. */
const ROOM = 0.78
/** History goes so that not more than this is used. */
const HISTORY = 0.7

export class Memory {
  #link: Link
  #clock: Clock
  #timer: Cancel | undefined
  #stopped = false
  #used: number
  #most: number
  #full = false

  constructor(link: Link, clock: Clock) {
    this.#link = link
    this.#clock = clock
    this.#used = link.facts.usedMemory
    this.#most = link.facts.maxMemory
    this.#judge()
    this.#later()
  }

  get isFull(): boolean {
    return this.#full
  }

  get used(): number {
    return this.#used
  }

  /** 0: as much as the machine has. */
  get most(): number {
    return this.#most
  }

  /** Bytes that the history is to give back. */
  get historyExcess(): number {
    return this.#most === 0 ? 0 : this.#used - this.#most * HISTORY
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.()
  }

  #later(): void {
    this.#timer = this.#clock.after(EVERY, () => {
      void this.look()
        .catch(() => {}) // Redis is away: nothing is taken anyway.
        .then(() => {
          if (!this.#stopped) this.#later()
        })
    })
  }

  async look(): Promise<void> {
    if (this.#link.down !== undefined) return
    const { usedMemory, maxMemory } = memoryOf(parseInfo(await this.#link.work.info('memory')))
    this.#used = usedMemory
    this.#most = maxMemory
    this.#judge()
  }

  #judge(): void {
    const part = this.#most === 0 ? 0 : this.#used / this.#most
    this.#full = part >= (this.#full ? ROOM : FULL)
  }
}
