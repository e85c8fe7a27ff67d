// Whoever claims is woken when a lane may have something for it: at once, or when its time comes. Wakes come
// from our own steps and from other processes. And where in each band of lanes this claimer was.

import type { Redis } from 'ioredis'

import type { Cancel, Clock } from '../../../base/clock.ts'

const START = ['-inf', '-inf', '-inf'] as const
/** Lanes are met again that were placed by a process whose clock is this much behind. */
const SLACK = 1000
/** And all of them after this. */
const AFRESH = 10_000

export class Wakes {
  readonly listeners: (() => void)[] = []
  #clock: Clock
  #isFull: (lane: string) => boolean
  #alarm: { readonly at: number; readonly cancel: Cancel } | undefined
  #cursors: readonly string[] = START
  #afreshAt = 0
  #stopped = false

  /** @param isFull lanes that this process does not want to hear of */
  constructor(clock: Clock, isFull: (lane: string) => boolean) {
    this.#clock = clock
    this.#isFull = isFull
  }

  /** Hears what others say on the channel. */
  async listen(redis: Redis, channel: string, me: string): Promise<void> {
    redis.on('message', (_: string, text: string) => {
      const [who, at = '', lane = ''] = text.split(' ')
      if (who !== me) this.heard([`${at} ${lane}`])
    })
    redis.on('ready', () => void redis.subscribe(channel).catch(() => {}))
    await redis.subscribe(channel)
  }

  /** "time lane", of lanes that may be claimed from then on. */
  heard(woken: readonly string[]): void {
    for (const text of woken) {
      const [at = '', lane = ''] = text.split(' ')
      if (!this.#isFull(lane)) this.#wakeAt(Number(at))
    }
  }

  wake(): void {
    for (const listener of this.listeners) listener()
  }

  /** Where each band was left: those before were full for us, or are gone. */
  cursors(): readonly string[] {
    if (this.#clock.now() >= this.#afreshAt) this.afresh()
    return this.#cursors
  }

  left(cursors: readonly string[]): void {
    this.#cursors = cursors.map((score) =>
      score === '-inf' ? score : String(Number(score) - SLACK),
    )
  }

  afresh(): void {
    this.#cursors = START
    this.#afreshAt = this.#clock.now() + AFRESH
  }

  stop(): void {
    this.#stopped = true
    this.#alarm?.cancel()
  }

  #wakeAt(at: number): void {
    const now = this.#clock.now()
    if (at <= now) return this.wake()
    if (this.#stopped || (this.#alarm !== undefined && this.#alarm.at <= at)) return
    this.#alarm?.cancel()
    const cancel = this.#clock.after(at - now, () => {
      this.#alarm = undefined
      this.wake()
    })
    this.#alarm = { at, cancel }
  }
}
