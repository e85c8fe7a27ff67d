// Which lane is next, in memory: three bands of urgency, round robin inside each, one claim in
// eight from a lower band, and a heap of the lanes that fall due later. What a lane has due is
// counted from the index only when it is not known; nothing here ever scans the deliveries.

import { Heap } from './heap.ts'

/** What the lanes ask of the index `delivery_ready`. */
export interface Schedule {
  /** Due deliveries, counted up to a limit. */
  count(lane: string, priority: number, now: number, limit: number): number
  firstAfter(lane: string, priority: number, now: number): number | undefined
  nextPriority(lane: string, after: number): number | undefined
  next(lane: string, priority: number, now: number): ReadyRow | undefined
}

export type ReadyRow = readonly [message: number, n: number, queue: string]

export interface Stop {
  readonly site: string | null
  readonly until: number
  readonly reason: string
}

export interface Lane {
  readonly name: string
  /** Priorities that may have ready deliveries, most urgent first. */
  priorities: number[]
  /** Due deliveries that are known; `more`: there may be others. */
  due: number
  more: boolean
  /** When the first of the rest falls due. */
  next: number
  /** The most urgent priority that has due work. */
  best: number
  leases: number
  /** Leases that hold no delivery. */
  idle: number
  band: number
  wakeAt: number
}

const NO_BAND = 3
/** So many due deliveries are counted at once. */
const COUNTED = 64

export class Lanes {
  readonly suspended = new Map<string, Stop>()
  readonly full = new Set<string>()
  /** Lanes on which a standing hold lies, or all. */
  readonly held = new Set<string>()
  allHeld = false
  /** A lane has become claimable since this was last cleared. */
  woken = false
  readonly touched = new Set<Lane>()
  #lanes = new Map<string, Lane>()
  #bands: Ring[] = [new Ring(), new Ring(), new Ring()]
  #later = new Heap<Lane>()
  #turn = 0
  #schedule: Schedule

  constructor(schedule: Schedule) {
    this.#schedule = schedule
  }

  /** A ready delivery has come into the lane. */
  add(name: string, priority: number, due: number, now: number): void {
    const lane = this.get(name)
    if (!lane.priorities.includes(priority)) {
      lane.priorities.push(priority)
      lane.priorities.sort((a, b) => a - b)
    }
    if (due <= now) {
      lane.due++
      lane.best = Math.min(lane.best, priority)
    } else lane.next = Math.min(lane.next, due)
    this.place(lane, now)
  }

  /** What was found at the start: the earliest due delivery of one priority. */
  found(name: string, priority: number, due: number, now: number): void {
    const lane = this.get(name)
    lane.more ||= due <= now
    this.add(name, priority, due, now)
  }

  /** Ready deliveries have left the lane otherwise than by `next`, or a transaction was undone. */
  recount(name: string, now: number): void {
    const lane = this.get(name)
    this.#forget(lane)
    this.place(lane, now)
  }

  get(name: string): Lane {
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      const nothing = { due: 0, more: false, next: Infinity, best: Infinity, leases: 0, idle: 0 }
      lane = { name, priorities: [], ...nothing, band: NO_BAND, wakeAt: Infinity }
      this.#lanes.set(name, lane)
    }
    this.touched.add(lane)
    return lane
  }

  /** The next lane with more due work than idle leases. */
  claim(now: number): Lane | undefined {
    this.wake(now)
    const [top, below] = this.#filledBands(now)
    if (top === undefined) return undefined
    this.#turn = (this.#turn + 1) % 8
    const band = this.#turn === 0 && below !== undefined ? below : top
    const lane = this.#bands[band]!.shift()!
    lane.band = NO_BAND
    return lane
  }

  /** The most urgent, then oldest due delivery; the caller marks it taken. */
  next(lane: Lane, now: number): ReadyRow | undefined {
    if (this.#stopped(lane, now)) return undefined
    this.touched.add(lane)
    if (lane.due === 0) this.#countIfUnsure(lane, now)
    if (lane.due === 0) return undefined
    for (const priority of lane.priorities) {
      const row = this.#schedule.next(lane.name, priority, now)
      if (row === undefined) continue
      lane.due--
      lane.best = priority
      return row
    }
    this.#forget(lane)
    this.#count(lane, now)
    return undefined
  }

  /** When to ask the lane again; `null`: nothing waits there. */
  idleUntil(lane: Lane, now: number): number | null {
    if (this.#isHeld(lane)) return null
    const at = lane.due > 0 ? now : lane.next
    if (at === Infinity) return null
    return Math.max(at, this.suspended.get(lane.name)?.until ?? 0)
  }

  /** When the next unclaimed lane has due work. */
  nextDue(now: number): number | null {
    this.wake(now)
    if (this.#filledBands(now)[0] !== undefined) return now
    return this.nextWake()
  }

  nextWake(): number | null {
    for (;;) {
      const first = this.#later.first
      if (first === undefined) return null
      if (first.thing.wakeAt === first.at) return first.at
      this.#later.pop()
    }
  }

  /** Lanes whose time has come take their place among those that can be claimed. */
  wake(now: number): void {
    for (;;) {
      const at = this.nextWake()
      if (at === null || at > now) return
      const lane = this.#later.pop()!.thing
      lane.wakeAt = Infinity
      this.place(lane, now)
    }
  }

  /** Puts the lane where it belongs: to be claimed, later, or nowhere. */
  place(lane: Lane, now: number): void {
    if (this.#isHeld(lane) || this.full.has(lane.name)) return
    if (lane.due <= lane.idle) this.#countIfUnsure(lane, now)
    const stop = this.suspended.get(lane.name)
    const some = lane.due > lane.idle
    if (stop !== undefined && stop.until > now) {
      if (some || lane.next < Infinity) this.#wakeAt(lane, stop.until)
      return
    }
    if (stop !== undefined) this.suspended.delete(lane.name)
    if (some) this.#offer(lane)
    else this.#wakeAt(lane, lane.next)
    if (isForgotten(lane)) this.#lanes.delete(lane.name)
  }

  /** Stops were lifted: all lanes take their places again. */
  placeAll(now: number): void {
    for (const lane of this.#lanes.values()) this.place(lane, now)
  }

  #offer(lane: Lane): void {
    const band = lane.best < 10 ? 0 : lane.best < 50 ? 1 : 2
    if (band >= lane.band) return
    lane.band = band
    this.#bands[band]!.push(lane)
    this.woken = true
  }

  /** Whatever the heap has of it under another time counts no more. */
  #wakeAt(lane: Lane, at: number): void {
    if (at === lane.wakeAt) return
    lane.wakeAt = at
    if (at < Infinity) this.#later.push(at, lane)
  }

  /** The most urgent band that has a claimable lane, and the next one below it. */
  #filledBands(now: number): number[] {
    const filled: number[] = []
    for (let band = 0; band < NO_BAND; band++) {
      if (this.#tidy(band, now)) filled.push(band)
      if (filled.length === 2) break
    }
    return filled
  }

  // Lanes that cannot be claimed any more are met here, at the head, and go.
  #tidy(band: number, now: number): boolean {
    const ring = this.#bands[band]!
    for (;;) {
      const lane = ring.first
      if (lane === undefined) return false
      if (lane.band === band && !this.full.has(lane.name) && !this.#stopped(lane, now)) {
        if (lane.due <= lane.idle) this.#countIfUnsure(lane, now)
        if (lane.due > lane.idle) return true
      }
      ring.shift()
      if (lane.band !== band) continue
      lane.band = NO_BAND
      this.place(lane, now)
    }
  }

  #stopped(lane: Lane, now: number): boolean {
    if (this.#isHeld(lane)) return true
    const stop = this.suspended.get(lane.name)
    return stop !== undefined && stop.until > now
  }

  #isHeld(lane: Lane): boolean {
    return this.allHeld || this.held.has(lane.name)
  }

  #forget(lane: Lane): void {
    lane.due = 0
    lane.more = true
  }

  #countIfUnsure(lane: Lane, now: number): void {
    if (lane.more || lane.next <= now) this.#count(lane, now)
  }

  #count(lane: Lane, now: number): void {
    const limit = lane.idle + COUNTED
    lane.priorities = []
    lane.due = 0
    lane.next = Infinity
    lane.best = Infinity
    lane.more = false
    let priority = this.#schedule.nextPriority(lane.name, -1)
    while (priority !== undefined) {
      lane.priorities.push(priority)
      const due = this.#schedule.count(lane.name, priority, now, limit)
      if (due > 0) lane.best = Math.min(lane.best, priority)
      lane.more ||= due === limit
      lane.due += due
      lane.next = Math.min(
        lane.next,
        this.#schedule.firstAfter(lane.name, priority, now) ?? Infinity,
      )
      priority = this.#schedule.nextPriority(lane.name, priority)
    }
  }
}

// Nothing points to it any more, neither work nor a place in a band or the heap.
function isForgotten(lane: Lane): boolean {
  const used = lane.leases > 0 || lane.due > 0 || lane.next < Infinity
  return !used && lane.band === NO_BAND && lane.wakeAt === Infinity
}

/** First in, first out, without moving the rest. */
class Ring {
  #lanes: Lane[] = []
  #head = 0

  get first(): Lane | undefined {
    return this.#lanes[this.#head]
  }

  push(lane: Lane): void {
    this.#lanes.push(lane)
  }

  shift(): Lane | undefined {
    const lane = this.#lanes[this.#head++]
    if (this.#head > 1000 && this.#head * 2 > this.#lanes.length) {
      this.#lanes = this.#lanes.slice(this.#head)
      this.#head = 0
    }
    return lane
  }
}
