// The reserve of free space: while less is free nothing new is accepted, so that settling can go
// on. What is free inside our own files counts too, because they never shrink. Space is asked at
// most once a second, and never waited for; what is stored meanwhile is counted, or a small disk
// would be full before the next look.

import { statfs } from 'node:fs/promises'

import type { Clock } from '../../../base/clock.ts'

const GIGABYTE = 1024 ** 3
/**
 * Bytes. The log of writes may take half of it before it is folded back into the file, and while it has filled the
 * disk it cannot be: nothing would be settled until somebody makes room.
 */
const LEAST = 64 * 1024 ** 2
const FRESH = 1000
/** Above the reserve by so much mail is taken again, or each message would cross it anew. */
const ROOM = 1.02
/** History begins to go this far above the reserve, so that it never causes a 452. */
const HISTORY_MARGIN = 1.25

export interface Space {
  readonly free: number
  readonly total: number
}

export async function spaceOf(folder: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { free: bavail * bsize, total: blocks * bsize }
}

export class Disk {
  #space: Space
  #askedAt: number
  #asking: Promise<void> | undefined
  #full = false
  #crossed: (isFull: boolean) => void = () => {}
  #clock: Clock
  #ask: () => Promise<Space>
  readonly reserve: number
  /** Bytes that are free inside our own files. */
  spare: () => Promise<number> = () => Promise.resolve(0)

  /** Without a reserve it is the smaller of 1 GB and 5 %, and at least 64 MB. */
  constructor(clock: Clock, space: Space, reserve: number | undefined, ask: () => Promise<Space>) {
    this.#clock = clock
    this.#space = space
    this.#askedAt = clock.now()
    this.reserve = reserve ?? Math.max(LEAST, Math.min(GIGABYTE, space.total / 20))
    this.#ask = ask
  }

  get free(): number {
    return this.#space.free
  }

  get isFull(): boolean {
    if (!this.#isFresh) void this.#refresh()
    this.#judge()
    return this.#full
  }

  /** Tells each time that the reserve is crossed, and now when less is free. */
  watch(crossed: (isFull: boolean) => void): void {
    this.#crossed = crossed
    this.#judge()
  }

  /** Resolves when what is known is of now. */
  async known(): Promise<void> {
    if (!this.#isFresh) await this.#refresh()
  }

  /** Whether there is so little room, by a look of now, that history has to give way. */
  async isShort(): Promise<boolean> {
    await this.#refresh()
    return this.#space.free < this.reserve * HISTORY_MARGIN
  }

  /** So much was written since. */
  took(bytes: number): void {
    this.#space = { ...this.#space, free: this.#space.free - bytes }
  }

  get #isFresh(): boolean {
    return Math.abs(this.#clock.now() - this.#askedAt) < FRESH
  }

  #judge(): void {
    const full = this.#space.free < this.reserve * (this.#full ? ROOM : 1)
    if (full === this.#full) return
    this.#full = full
    this.#crossed(full)
  }

  #refresh(): Promise<void> {
    return (this.#asking ??= this.#look().finally(() => (this.#asking = undefined)))
  }

  async #look(): Promise<void> {
    try {
      const [space, spare] = await Promise.all([this.#ask(), this.spare()])
      this.#space = { ...space, free: space.free + spare }
      this.#askedAt = this.#clock.now()
      this.#judge()
    } catch {
      // A folder that cannot be asked cannot be written either: the commit says so.
    }
  }
}
