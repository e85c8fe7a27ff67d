// Who gets a connection. A lane asks here for one of its site, waits in the site's line when there is
// none to be had, and gives it back. Nothing here asks again and again: whoever gives back calls the next.

import type { Clock } from '../../base/clock.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Report } from '../../mail/event.ts'
import type { Hop } from '../../mail/path.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import { Capacity } from './capacity.ts'
import { ConnectionPool } from './pool.ts'
import { SiteRegistry } from './registry.ts'
import { Shares } from './shares.ts'
import type { Connection, Host } from '../connection.ts'
import type { Site, Slot } from './site.ts'

/** Lanes that wait in one site's line; the others wait in the queue. */
const LINE = 1000
/** The priority of a lane that does not say. */
const USUAL = 10
/** Lanes that wait in all lines together. */
const LINES = 20_000

export interface SitesOptions {
  readonly queue: Pick<Outflow, 'full' | 'borrow'>
  /** What others see us call from. */
  readonly source: string
  readonly clock: Clock
  readonly report: Report
  readonly policy: () => Pick<Policy, 'limits'>
  readonly connections: number
}

export class Sites {
  readonly capacity: Capacity
  #options: SitesOptions
  #registry: SiteRegistry
  #pool: ConnectionPool
  /** Sites whose line waits for room in all, the next one first; apart, as the cap for slow ones is. */
  #starved = { quick: new Set<Site>(), slow: new Set<Site>() }
  /** Sites with lanes that found no place in a line. */
  #overflowed = new Set<Site>()
  #waiting = 0
  #loans: Shares | undefined
  #active = new Set<Slot>()
  #closed = false
  /** Called when lanes that were kept back may be claimed again. */
  onRoom: () => void = () => {}

  constructor(options: SitesOptions) {
    this.#options = options
    this.capacity = new Capacity(options.connections)
    const { capacity } = this
    const { queue, clock, source, report, policy } = options
    const borrow = queue.borrow?.bind(queue)
    const changed = (site: Site): void => this.#granted(site)
    if (borrow !== undefined) this.#loans = new Shares({ borrow, clock, source, changed })
    const granted = borrow === undefined ? Infinity : 0
    this.#registry = new SiteRegistry({ capacity, clock, policy, granted })
    this.#pool = new ConnectionPool({ capacity, clock, report, gone: (site) => this.serve(site) })
  }

  /** The site of this name that a lane led to, with the hosts and limits of this moment. */
  find(name: string, hosts: readonly Host[], lane: Destination): Site {
    return this.#registry.find(name, hosts, lane)
  }

  /** A connection to be had, or the wait for one; `undefined`: not now, give the lease back. */
  async enter(
    site: Site,
    lane: Destination,
    hop: Hop,
    priority = USUAL,
  ): Promise<Slot | undefined> {
    if (this.#lacksLoan(site)) await this.#ask(site)
    if (this.#closed) return undefined
    // In one go: whoever else has waited for the same answer finds the room taken.
    if (site.line.length === 0 && this.#hasRoom(site)) return this.#admit(site, hop)
    this.keepBack(site, lane)
    if (site.line.has(lane)) return undefined
    if (site.line.length >= LINE || this.#waiting >= LINES) {
      this.#overflowed.add(site)
      return undefined
    }
    this.#waiting++
    return new Promise((admit) => {
      site.line.push({ lane, hop, priority, admit })
      this.#starve(site)
    })
  }

  /** Gives a slot back; its connection stays open for a while when it is worth it. */
  leave(slot: Slot, lane: Destination): void {
    const { site, connection } = slot
    site.leave(slot)
    this.#active.delete(slot)
    if (connection !== undefined) this.#put(site, connection)
    slot.connection = undefined
    // Who has had a turn goes to the end of the line: it may be claimed again.
    if (site.full.delete(lane)) this.#options.queue.full([lane], false)
    this.serve(site)
  }

  /** Notes a connection that was opened for a slot. */
  opened(slot: Slot, connection: Connection): void {
    slot.connection = connection
    this.#pool.opened(slot.site)
  }

  /**
   * Parts with the connection of a slot that goes on without it; resolves when it is gone, so that
   * the server never sees one more than its limit.
   */
  async retire(slot: Slot): Promise<void> {
    const { connection, site } = slot
    slot.connection = undefined
    if (connection !== undefined) await this.#pool.retire(site, connection)
  }

  /** Others wait for a connection that this lane could give up. */
  crowded(site: Site, lane: Destination): boolean {
    const { line } = site
    const alone = line.length === 0 || (line.length === 1 && line.has(lane))
    const isOver = site.busy + site.leaving > site.limit(this.#now())
    return !alone || isOver || !this.capacity.roomFor(site.slow)
  }

  /** Calls who waits, as far as there is room: after a slot came back, or a site got well. */
  serve(site: Site): void {
    while (site.line.length > 0 && this.#hasRoom(site)) this.#callNext(site)
    this.#starve(site)
    for (const sites of [this.#starved.quick, this.#starved.slow]) this.#serveStarved(sites)
    if (site.line.length === 0) this.#unkeep(site)
    if (this.#overflowed.size > 0 && this.#waiting < LINES / 2) this.#callOverflowed()
  }

  /** Everybody in the site's line goes home: it is suspended. */
  sendHome(site: Site): void {
    this.#waiting -= site.line.length
    for (const { admit } of site.line.clear()) admit(undefined)
    this.#starve(site)
    this.#unkeep(site)
  }

  /** Nobody is let in any more, and who waits goes home. */
  close(): void {
    this.#closed = true
    this.#loans?.stop()
    for (const site of this.#registry.all()) this.sendHome(site)
  }

  /** Cuts every connection that somebody works with. */
  cut(): void {
    for (const { connection } of this.#active) connection?.destroy()
  }

  /** Says goodbye on the connections that nobody uses. */
  quitAll(): Promise<void> {
    return this.#pool.quitAll()
  }

  // Only what other processes have stands between the lane and a connection: they are asked first.
  #lacksLoan(site: Site): boolean {
    const isLent = this.#loans !== undefined && !this.#closed && site.line.length === 0
    return isLent && !this.#hasRoom(site) && site.granted < site.ownLimit(this.#now())
  }

  // Until the lane is let in, or stands in the line, it is among those who ask.
  async #ask(site: Site): Promise<void> {
    site.asking++
    await this.#loans!.ask(site)
    site.asking--
  }

  // Others may have a right to some of what we have: unused connections go at once.
  #granted(site: Site): void {
    while (site.idle.length > 0 && site.open > site.granted) this.#pool.drop(site)
    this.serve(site)
  }

  #hasRoom(site: Site): boolean {
    return site.hasRoom(this.#now()) && this.capacity.roomFor(site.slow)
  }

  #admit(site: Site, hop: Hop): Slot {
    const connection = this.#pool.take(site, hop)
    if (connection === undefined) this.#pool.makeRoom(site)
    site.enter()
    const slot: Slot = { site, hop, way: site.way(hop), connection, failed: false }
    this.#active.add(slot)
    return slot
  }

  #callNext(site: Site): void {
    const waiting = site.line.next()!
    this.#waiting--
    waiting.admit(this.#admit(site, waiting.hop))
  }

  // Puts the site where it belongs: it has lanes and room of its own, and lacks room in all.
  #starve(site: Site): void {
    this.#starved.quick.delete(site)
    this.#starved.slow.delete(site)
    if (site.line.length === 0 || !site.hasRoom(this.#now())) return
    this.#starved[site.slow ? 'slow' : 'quick'].add(site)
  }

  // Each of the starved gets one, then the next has its turn.
  #serveStarved(sites: Set<Site>): void {
    for (const site of sites) {
      if (!this.capacity.roomFor(site.slow)) return
      if (site.line.length > 0 && site.hasRoom(this.#now())) this.#callNext(site)
      this.#starve(site)
    }
  }

  /** No more leases of the lane until somebody gives a connection of the site back. */
  keepBack(site: Site, lane: Destination): void {
    if (site.full.has(lane)) return
    site.full.add(lane)
    this.#options.queue.full([lane], true)
  }

  #unkeep(site: Site): void {
    if (site.full.size === 0) return
    const lanes: Destination[] = []
    for (const lane of site.full) {
      lanes.push(lane)
      if (lanes.length === 2 * LINE) break
    }
    for (const lane of lanes) site.full.delete(lane)
    this.#options.queue.full(lanes, false)
    this.onRoom()
  }

  // Those of the first sites may be claimed again; the others follow as lines get shorter.
  #callOverflowed(): void {
    let left = LINE
    for (const site of this.#overflowed) {
      if (left-- === 0) return
      this.#overflowed.delete(site)
      if (site.line.length === 0) this.#unkeep(site)
    }
  }

  #put(site: Site, connection: Connection): void {
    const isOver = site.busy + site.idle.length >= site.granted
    const worth =
      !isOver && connection.usable && connection.taken < site.messagesPerConnection(this.#now())
    if (worth && !this.#closed) this.#pool.keep(site, connection)
    else void this.#pool.retire(site, connection)
  }

  #now(): number {
    return this.#options.clock.now()
  }
}
