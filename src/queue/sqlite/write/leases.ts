// Leases, in memory: who may draw from a lane until when, and what it has in hand. A lease that
// is not renewed lapses; what was in its hand is then given back by the caller.

import type { Lane, Lanes } from './lanes.ts'
import type { LeaseRow } from '../schema/wire.ts'

/** A moment by the wall, and by the clock that nobody sets: leases last by the second. */
export interface Moment {
  readonly now: number
  readonly steady: number
}

export interface Held {
  readonly id: string
  readonly lane: string
  /** By the steady clock. */
  until: number
  /** Usually one delivery; two when the next is taken while the reply of the first is awaited. */
  readonly taken: Map<string, readonly [message: number, n: number]>
}

export class Leases {
  #held = new Map<string, Held>()
  #byDelivery = new Map<string, Held>()
  #last = 0
  #earliest = Infinity
  #lanes: Lanes
  #milliseconds: number
  /** What to call to take back what this batch did, when it fails; last first. */
  #undo: (() => void)[]

  constructor(lanes: Lanes, milliseconds: number, undo: (() => void)[]) {
    this.#lanes = lanes
    this.#milliseconds = milliseconds
    this.#undo = undo
  }

  /** When the first lease may lapse, by the steady clock; early at times, never late. */
  get earliest(): number {
    return this.#earliest
  }

  claim(count: number, moment: Moment): LeaseRow[] {
    const { now } = moment
    const leases: LeaseRow[] = []
    while (leases.length < count) {
      const lane = this.#lanes.claim(now)
      if (lane === undefined) break
      leases.push(this.#give(lane, moment))
      this.#lanes.place(lane, now)
    }
    return leases
  }

  get(id: string): Held | undefined {
    return this.#held.get(id)
  }

  /** Another lease than this one has the delivery. */
  hasAnother(message: number, n: number, id: string | null): boolean {
    const holder = this.#byDelivery.get(`${message}-${n}`)
    return holder !== undefined && id !== null && holder.id !== id
  }

  renew(ids: readonly string[], { steady }: Moment): void {
    for (const id of ids) {
      const lease = this.#held.get(id)
      if (lease !== undefined) lease.until = steady + this.#milliseconds
    }
  }

  /** What it has in hand stays taken until it is settled. */
  release(id: string, now: number): void {
    const lease = this.#held.get(id)
    if (lease !== undefined) this.#end(lease, now)
  }

  took(lease: Held, message: number, n: number): void {
    const key = `${message}-${n}`
    if (lease.taken.size === 0) this.#lanes.get(lease.lane).idle--
    lease.taken.set(key, [message, n])
    this.#byDelivery.set(key, lease)
    this.#undo.push(() => this.#free(lease, key))
  }

  /** The delivery is out of whosever hand had it. */
  settled(message: number, n: number, now: number): void {
    const key = `${message}-${n}`
    const lease = this.#byDelivery.get(key)
    if (lease === undefined) return
    this.#free(lease, key)
    if (!this.#held.has(lease.id)) return
    this.#undo.push(() => this.took(lease, message, n))
    this.#lanes.place(this.#lanes.get(lease.lane), now)
  }

  /** Ends the leases that were not renewed in time. */
  lapse({ now, steady }: Moment): Held[] {
    if (steady < this.#earliest) return []
    const lapsed: Held[] = []
    this.#earliest = Infinity
    for (const lease of this.#held.values())
      if (lease.until <= steady) lapsed.push(lease)
      else this.#earliest = Math.min(this.#earliest, lease.until)
    for (const lease of lapsed) this.#end(lease, now)
    return lapsed
  }

  #give(lane: Lane, { now, steady }: Moment): LeaseRow {
    const until = steady + this.#milliseconds
    const id = `lease-${++this.#last}`
    const lease: Held = { id, lane: lane.name, until, taken: new Map() }
    this.#held.set(id, lease)
    lane.leases++
    lane.idle++
    this.#earliest = Math.min(this.#earliest, until)
    this.#undo.push(() => this.#end(lease, now))
    return [id, lane.name, lane.best, now + this.#milliseconds]
  }

  #free(lease: Held, key: string): void {
    this.#byDelivery.delete(key)
    if (!lease.taken.delete(key) || lease.taken.size > 0) return
    if (this.#held.has(lease.id)) this.#lanes.get(lease.lane).idle++
  }

  #end(lease: Held, now: number): void {
    if (!this.#held.delete(lease.id)) return
    const lane = this.#lanes.get(lease.lane)
    lane.leases--
    if (lease.taken.size === 0) lane.idle--
    this.#lanes.place(lane, now)
    this.#undo.push(() => this.#restore(lease))
  }

  #restore(lease: Held): void {
    this.#held.set(lease.id, lease)
    const lane = this.#lanes.get(lease.lane)
    lane.leases++
    if (lease.taken.size === 0) lane.idle++
    this.#earliest = Math.min(this.#earliest, lease.until)
  }
}
