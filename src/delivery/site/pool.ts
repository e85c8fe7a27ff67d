// The connection pool: connections of all sites that nobody works with stay open a few seconds for whoever
// comes next, and are parted with politely. A connection counts at its server until that has ended its side.

import type { Cancel, Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import type { Requirement } from '../../mail/path.ts'
import type { Capacity } from './capacity.ts'
import { fits } from '../connect/fits.ts'
import type { Connection } from '../connection.ts'
import type { Site } from './site.ts'

/** Milliseconds that an unused connection stays open: servers hold one against us that idles long. */
const KEEP = 5000
/** Milliseconds from one look at what is idle to the next. */
const SWEEP = 1000

export interface PoolOptions {
  readonly capacity: Capacity
  readonly clock: Clock
  readonly report: Report
  /** A connection of the site is gone: there may be room for another. */
  readonly gone: (site: Site) => void
}

export class ConnectionPool {
  readonly #options: PoolOptions
  #withIdle = new Set<Site>()
  #quitting = new Set<Promise<void>>()
  #sweep: Cancel | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Notes a connection that was opened. */
  opened(site: Site): void {
    site.live++
    this.#say('opened')
  }

  /** One that nobody uses and that fits, the youngest first; what is found dead on the way goes. */
  take(site: Site, must: Requirement): Connection | undefined {
    for (let at = site.idle.length - 1; at >= 0; at--) {
      const { connection } = site.idle[at]!
      if (connection.usable && !fits(connection.fact, must)) continue
      this.#remove(site, at)
      if (connection.usable) return connection
      void this.retire(site, connection)
    }
    return undefined
  }

  /** Nobody works with it any more: it stays open for a while. */
  keep(site: Site, connection: Connection): void {
    const { clock, capacity } = this.#options
    site.idle.push({ connection, since: clock.now() })
    capacity.idle++
    this.#withIdle.add(site)
    this.#sweep ??= clock.after(KEEP, () => this.#sweepIdle())
  }

  /** Parts with a connection; resolves when it is gone on the server's side too. */
  async retire(site: Site, connection: Connection): Promise<void> {
    this.#say('closed')
    site.live--
    site.endedAt = this.#options.clock.now()
    site.leaving++
    const quitting = connection.quit().catch(() => connection.destroy())
    this.#quitting.add(quitting)
    await quitting
    this.#quitting.delete(quitting)
    site.leaving--
    this.#options.gone(site)
  }

  /** Parts with the one that has been idle longest. */
  drop(site: Site): void {
    const { connection } = site.idle[0]!
    this.#remove(site, 0)
    void this.retire(site, connection)
  }

  /** Makes room for one more connection of the site, where an idle one takes its place. */
  makeRoom(site: Site): void {
    const { capacity, clock } = this.#options
    const atLimit = site.busy + site.idle.length >= site.limit(clock.now())
    if (site.idle.length > 0 && (atLimit || capacity.full)) return this.drop(site)
    if (!capacity.full) return
    for (const other of this.#withIdle) return this.drop(other)
  }

  /** Says goodbye on all that nobody uses, and waits for every goodbye. */
  async quitAll(): Promise<void> {
    this.#sweep?.()
    this.#sweep = undefined
    for (const site of this.#withIdle) while (site.idle.length > 0) this.drop(site)
    this.#withIdle.clear()
    await Promise.allSettled(this.#quitting)
  }

  #sweepIdle(): void {
    const { clock } = this.#options
    const now = clock.now()
    for (const site of this.#withIdle) {
      while (site.idle.length > 0 && now - site.idle[0]!.since >= KEEP - 1) this.drop(site)
    }
    const again = this.#withIdle.size > 0
    this.#sweep = again ? clock.after(SWEEP, () => this.#sweepIdle()) : undefined
  }

  #remove(site: Site, at: number): void {
    site.idle.splice(at, 1)
    this.#options.capacity.idle--
    if (site.idle.length === 0) this.#withIdle.delete(site)
  }

  #say(change: 'opened' | 'closed'): void {
    const at = this.#options.clock.now()
    this.#options.report({ kind: 'connection', at, direction: 'out', change })
  }
}
