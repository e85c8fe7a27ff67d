// Asks the queue for rights to draw from lanes, as long as there are connections to be had, and sets
// each to work. It is woken by the queue, by the time that something becomes due, and by connections
// that come free; it never asks in vain twice.

import type { Cancel, Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import type { Lease } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import type { Capacity } from '../site/capacity.ts'
import type { HeldLease, Leases } from '../settle/leases.ts'
import type { Settler } from '../settle/settler.ts'

export interface DispatcherOptions {
  readonly queue: Outflow
  readonly clock: Clock
  readonly report: Report
  readonly leases: Leases
  readonly settler: Settler
  readonly capacity: Capacity
  /** Works under the lease; says when it has its place, and resolves to whether there may be more. */
  readonly draw: (held: HeldLease, placed: () => void) => Promise<boolean>
}

/** Leases that are asked for at once. */
const MOST = 200
/** Lanes whose hosts are being looked up: names that time out must not keep others from connections. */
const LOOKUPS = 20_000
/** After the queue failed. */
const AGAIN = 1000
/** What is said to be due and cannot be claimed is looked at again after this, and this, and this. */
const SOON = 20

export class Dispatcher {
  #options: DispatcherOptions
  #timer: Cancel | undefined
  #busy = false
  #woken = false
  #stopped = false
  /** The last round ended for want of connections. */
  #hungry = false
  /** Under way to a place: lookups. */
  #unplaced = 0
  /** Rounds in a row that claimed nothing though something was said to be due. */
  #vain = 0
  #working = new Set<Promise<void>>()

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /** There may be something to claim. */
  wake(): void {
    this.#woken = true
    if (!this.#busy && !this.#stopped) void this.#rounds()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.()
  }

  /** Resolves when all that was set to work has ended. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working)
  }

  async #rounds(): Promise<void> {
    const { report, clock } = this.#options
    this.#busy = true
    try {
      while (this.#woken && !this.#stopped) await this.#round()
    } catch (error) {
      const text = 'Cannot claim from the queue, trying again'
      report({ kind: 'note', at: clock.now(), level: 'error', text, cause: String(error) })
      this.#wakeAt(clock.now() + AGAIN)
    } finally {
      this.#busy = false
    }
  }

  async #round(): Promise<void> {
    const { queue, clock, settler } = this.#options
    this.#woken = false
    if (!settler.sound) await settler.whenSound()
    const room = this.#room()
    this.#hungry = room === 0
    if (room === 0) return
    const askedAt = clock.now()
    const leases = await queue.claim(room)
    for (const lease of leases) this.#begin(lease, askedAt)
    if (leases.length > 0) this.#vain = 0
    if (leases.length === room) this.#woken = true
    else if (!this.#woken) this.#wakeAt(await queue.nextDue())
  }

  #room(): number {
    const { cap, busy } = this.#options.capacity
    return Math.max(0, Math.min(MOST, cap - busy, LOOKUPS - this.#unplaced))
  }

  #begin(lease: Lease, askedAt: number): void {
    const held = this.#options.leases.hold(lease, askedAt)
    if (this.#stopped) return void this.#options.leases.release(held)
    const working = this.#work(held)
    this.#working.add(working)
    void working.then(() => this.#working.delete(working))
  }

  async #work(held: HeldLease): Promise<void> {
    const { draw, leases, report, clock } = this.#options
    let more = false
    let waiting = true
    this.#unplaced++
    const placed = (): void => {
      if (!waiting) return
      waiting = false
      this.#unplaced--
      if (this.#hungry) this.wake()
    }
    try {
      more = await draw(held, placed)
    } catch (error) {
      const text = `Cannot work on the lane "${held.lease.lane}"`
      report({ kind: 'note', at: clock.now(), level: 'error', text, cause: String(error) })
    }
    placed()
    await leases.release(held)
    if (more || this.#hungry) this.wake()
  }

  #wakeAt(due: number | undefined): void {
    this.#timer?.()
    this.#timer = undefined
    if (due === undefined || this.#stopped) return
    const { clock } = this.#options
    const wait = due - clock.now()
    const patience = wait > 0 ? wait : Math.min(AGAIN, SOON * this.#vain++)
    this.#timer = clock.after(patience, () => this.wake())
  }
}
