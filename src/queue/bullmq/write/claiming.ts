// Which lane is next: leases for this process, of lanes it is not full of, and when there may be more.

import type { Clock } from '../../../base/clock.ts'
import type { Destination } from '../../../mail/destination.ts'
import type { Lease } from '../../port/outflow.ts'
import type { Answer, Caller } from '../calls/caller.ts'
import { laneOf } from '../link/keys.ts'
import type { Link } from '../link/link.ts'
import { Wakes } from './wakes.ts'

export interface ClaimingOptions {
  readonly link: Link
  readonly caller: Caller
  readonly clock: Clock
  /** Of a lease, in milliseconds. */
  readonly length: number
  readonly heard: (answer: Answer) => void
}

/** Lanes, or leases, of one call. */
export const TOGETHER = 500

export class Claiming {
  readonly wakes: Wakes
  #options: ClaimingOptions
  #full = new Set<string>()
  #lastLease = 0
  #recoveryUntil = 0

  constructor(options: ClaimingOptions) {
    this.#options = options
    this.wakes = new Wakes(options.clock, (lane) => this.#full.has(lane))
  }

  /** Nothing is claimed for so long: those whose leases Redis has forgotten may still be at work. */
  pauseFor(milliseconds: number): void {
    this.#recoveryUntil = milliseconds > 0 ? this.#options.clock.now() + milliseconds : 0
  }

  /** For how many milliseconds more. */
  get recoveryLeft(): number {
    return Math.max(0, this.#recoveryUntil - this.#options.clock.now())
  }

  async claim(count: number): Promise<Lease[]> {
    const { clock, length } = this.#options
    const from = this.wakes.cursors()
    const full = this.#full.size > 0
    const given = { count, length, number: this.#lastLease, from, full }
    this.#lastLease += count
    type Claimed = [
      leases: [id: string, lane: string, priority: number][],
      from: string[],
      recoveryPause: number,
    ]
    const [leases, left, recoveryPause] = (await this.#call('claim', given)) as Claimed
    this.wakes.left(left)
    this.pauseFor(recoveryPause)
    const until = clock.now() + length
    return leases.map(([id, lane, priority]) => ({
      id,
      lane: lane as Destination,
      priority,
      until,
    }))
  }

  async nextDue(): Promise<number | undefined> {
    const given = { from: this.wakes.cursors(), full: this.#full.size > 0 }
    const value = await this.#call('next_due', given)
    return value === '' ? undefined : Math.max(Number(value), this.#recoveryUntil)
  }

  full(lanes: readonly Destination[], full: boolean): void {
    const names = lanes.map(laneOf).filter((lane) => this.#full.has(lane) !== full)
    for (const lane of names)
      if (full) this.#full.add(lane)
      else this.#full.delete(lane)
    // What was said in vain is said again when Redis is back.
    this.#tell(names, full).catch(() => {})
  }

  /** Which lanes are full, from the beginning: some of it may have been lost with a connection. */
  async tellAgain(): Promise<void> {
    const { link, caller } = this.#options
    await link.work.unlink(`${caller.prefix}/full/${caller.me}`)
    await this.#tell([...this.#full], true)
  }

  async #tell(names: readonly string[], full: boolean): Promise<void> {
    const calls: Promise<unknown>[] = []
    for (let at = 0; at < names.length; at += TOGETHER)
      calls.push(this.#call('full', { lanes: names.slice(at, at + TOGETHER), full }))
    await Promise.all(calls)
  }

  async renew(leases: readonly Lease[]): Promise<void> {
    const { link, length } = this.#options
    link.check()
    const ids = leases.map(({ id }) => id)
    for (let at = 0; at < ids.length; at += TOGETHER)
      await this.#call('renew', { leases: ids.slice(at, at + TOGETHER), length })
  }

  async #call(name: 'claim' | 'next_due' | 'full' | 'renew', given: object): Promise<unknown> {
    const { link, caller, heard } = this.#options
    const answer = await caller.call(link.work, name, given)
    heard(answer)
    return answer.value
  }
}
