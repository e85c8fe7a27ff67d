// A site: the set of MX hosts behind lanes, with its limits, the ways to it, its health, its open
// connections and the line of lanes that wait for one. What is shared between sites is in sites.ts.

import type { Destination } from '../../mail/destination.ts'
import { wayOf } from '../../mail/path.ts'
import type { Hop } from '../../mail/path.ts'
import type { SiteLimits } from '../../policy/policy.ts'
import type { Capacity } from './capacity.ts'
import { Learnt } from './learnt.ts'
import { WaitingLanes } from './waiting-lanes.ts'
import type { Connection, Host } from '../connection.ts'
import { Strikes, Trouble } from '../trouble/trouble.ts'
import { Way } from '../trouble/way.ts'

/** How long a connection must have been waited for before its site counts as slow. */
export const SLOW = 5000
/** An address that could not be reached is tried after the others for so long. */
const AVOID = 60_000

export interface IdleConnection {
  readonly connection: Connection
  readonly since: number
}

/** The right to one connection of a site, and the connection. */
export interface Slot {
  readonly site: Site
  /** What the connection must fit. */
  hop: Hop
  readonly way: Way
  connection: Connection | undefined
  /** Nobody could be reached for it; it is about to be given back. */
  failed: boolean
}

export class Site {
  readonly name: string
  hosts: readonly Host[]
  limits: SiteLimits
  /** Lanes that have led here, and when; what is suspended together. */
  readonly lanes = new Map<Destination, number>()
  /** Lanes that the queue was told to keep back. */
  readonly full = new Set<Destination>()
  readonly line = new WaitingLanes<Slot>()
  readonly idle: IdleConnection[] = []
  readonly trouble = new Trouble()
  /** By what `wayOf` says of a hop. */
  readonly ways = new Map<string, Way>()
  readonly learnt = new Learnt()
  /** Deliveries that lost the connection from MAIL on. */
  readonly losses = new Strikes()
  /** Deliveries that were put off at MAIL with the same words. */
  readonly putOffs = new Strikes()
  busy = 0
  /** Slots that found nobody and are about to be given back. */
  failed = 0
  /** Connections that are up; the others of `busy` are being opened. */
  live = 0
  /** Connections that are saying goodbye. */
  leaving = 0
  /** Lanes that wait to hear whether there is a connection for them; see shares.ts. */
  asking = 0
  /** When somebody last wanted something from it. */
  usedAt = 0
  /** Connections that other processes leave to us; see shares.ts. */
  granted: number
  /** When we ended a connection last: its servers may count it a while longer. */
  endedAt = -Infinity
  #slow = true
  #ceiling = { connections: 0, until: 0 }
  #avoid = new Map<string, number>()
  #capacity: Capacity

  constructor(
    name: string,
    hosts: readonly Host[],
    limits: SiteLimits,
    capacity: Capacity,
    granted = Infinity,
  ) {
    this.name = name
    this.hosts = hosts
    this.limits = limits
    this.#capacity = capacity
    this.granted = granted
  }

  /** No connection is known to be quick; every site begins so. */
  get slow(): boolean {
    return this.#slow
  }

  /** What it has shown just now: how long an answer took, or `Infinity`. */
  took(milliseconds: number): void {
    const slow = milliseconds >= SLOW
    if (slow === this.#slow) return
    this.#slow = slow
    this.#capacity.slow += slow ? this.busy : -this.busy
  }

  /** How many connections it may have now. */
  limit(now: number): number {
    return Math.min(this.ownLimit(now), this.granted)
  }

  /** The same, if no other process called it. */
  ownLimit(now: number): number {
    if (this.trouble.probing) return 1
    const usual = Math.min(this.limits.connections, this.#capacity.perSite)
    const ceiling = now < this.#ceiling.until ? this.#ceiling.connections : usual
    return Math.max(1, Math.min(usual, ceiling))
  }

  way(hop: Hop): Way {
    const key = wayOf(hop)
    let way = this.ways.get(key)
    if (way === undefined) this.ways.set(key, (way = new Way()))
    return way
  }

  /** Messages that a connection carries here. */
  messagesPerConnection(now: number): number {
    return Math.min(this.limits.messagesPerConnection, this.learnt.messages(now))
  }

  hasRoom(now: number): boolean {
    return this.busy + this.leaving < this.limit(now)
  }

  /** Connections that there are, or that are being opened or closed. */
  get open(): number {
    return this.busy + this.idle.length + this.leaving
  }

  /** Connections that there are, and that lanes wait for. */
  get needed(): number {
    return this.open + this.line.length + this.asking
  }

  /** Connections that are up, or may yet be. */
  get hopeful(): number {
    return this.busy - this.failed + this.idle.length
  }

  /** It takes no more connections than these: a limit it does not name. */
  lowerCeiling(connections: number, until: number): void {
    this.#ceiling = { connections, until }
  }

  enter(): void {
    this.busy++
    this.#capacity.busy++
    if (this.#slow) this.#capacity.slow++
  }

  leave(slot: Slot): void {
    if (slot.failed) this.failed--
    this.busy--
    this.#capacity.busy--
    if (this.#slow) this.#capacity.slow--
  }

  avoid(address: string, now: number): void {
    this.#avoid.set(address, now + AVOID)
  }

  avoids(address: string, now: number): boolean {
    const until = this.#avoid.get(address)
    if (until === undefined) return false
    if (until <= now) this.#avoid.delete(address)
    return now < until
  }

  /** The slot found nobody. */
  fail(slot: Slot): void {
    if (!slot.failed) this.failed++
    slot.failed = true
  }

  /** Nothing here is worth keeping. */
  forgettable(now: number, age: number): boolean {
    const unused = this.busy === 0 && this.idle.length === 0 && this.line.length === 0
    return unused && this.full.size === 0 && now - Math.max(this.usedAt, this.trouble.until) > age
  }
}
