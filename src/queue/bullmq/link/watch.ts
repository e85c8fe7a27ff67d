// The server, looked at every second: its memory and its replicas. Mail is refused well before Redis would
// refuse to write, so that what was accepted can go on, and history gives way before that; and it is
// refused while fewer replicas follow than must have it.

import type { Clock } from '../../../base/clock.ts'
import { Repeat } from '../../../base/repeat.ts'
import { lackOf, memoryOf, parseInfo, replicasOf } from './durability.ts'
import type { DurabilityWish } from './durability.ts'
import type { Link } from './link.ts'

const EVERY = 1000
/** Of `maxmemory`: from here on no mail is taken. */
const FULL = 0.8
/** And below this it is taken again. */
const ROOM = 0.78
/** History goes so that not more than this is used. */
const HISTORY = 0.7

export class Watch {
  #link: Link
  #wish: DurabilityWish
  #repeat: Repeat
  #used: number
  #most: number
  #full = false
  #lack: string | undefined
  #crossed: (isFull: boolean) => void

  /** @param crossed called each time that mail is taken no more, or again, and when it is not from the start */
  constructor(
    link: Link,
    wish: DurabilityWish,
    clock: Clock,
    crossed: (isFull: boolean) => void = () => {},
  ) {
    this.#crossed = crossed
    this.#link = link
    this.#wish = wish
    this.#used = link.facts.usedMemory
    this.#most = link.facts.maxMemory
    this.#lack = lackOf(link.facts.replicas, wish)
    this.#judge()
    // Redis is away: nothing is taken anyway.
    const failed = (): void => {}
    this.#repeat = new Repeat({ clock, every: EVERY, round: () => this.look(), failed })
  }

  get isFull(): boolean {
    return this.#full
  }

  /** Too few replicas follow. */
  get lack(): string | undefined {
    return this.#lack
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
    void this.#repeat.stop()
  }

  async look(): Promise<void> {
    if (this.#link.down !== undefined) return
    const info = parseInfo(await this.#link.work.info('memory', 'replication'))
    const { usedMemory, maxMemory } = memoryOf(info)
    this.#lack = lackOf(replicasOf(info), this.#wish)
    this.#used = usedMemory
    this.#most = maxMemory
    this.#judge()
  }

  #judge(): void {
    const part = this.#most === 0 ? 0 : this.#used / this.#most
    const full = part >= (this.#full ? ROOM : FULL)
    if (full === this.#full) return
    this.#full = full
    this.#crossed(full)
  }
}
