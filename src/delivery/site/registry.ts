// Which sites there are: each is found by its name, gets the hosts and limits of this moment, and is
// forgotten when nobody has used it for an hour.

import type { Clock } from '../../base/clock.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Capacity } from './capacity.ts'
import type { Host } from '../connection.ts'
import { Site } from './site.ts'

/** Milliseconds after which what nobody has used is forgotten. */
const FORGET = 3_600_000

export interface RegistryOptions {
  readonly capacity: Capacity
  readonly clock: Clock
  readonly policy: () => Pick<Policy, 'limits'>
  /** Connections that a new site may have before any other process was asked. */
  readonly granted: number
}

export class SiteRegistry {
  readonly #options: RegistryOptions
  readonly #sites = new Map<string, Site>()
  #prunedAt = 0

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /** The site of this name that a lane led to. */
  find(name: string, hosts: readonly Host[], lane: Destination): Site {
    const { clock, policy, capacity, granted } = this.#options
    const now = clock.now()
    if (now - this.#prunedAt > FORGET) this.#prune(now)
    const limits = policy().limits(hosts.map((host) => host.name))
    const site = this.#sites.get(name) ?? new Site(name, hosts, limits, capacity, granted)
    this.#sites.set(name, site)
    site.hosts = hosts
    site.limits = limits
    site.usedAt = now
    site.lanes.set(lane, now)
    return site
  }

  all(): Iterable<Site> {
    return this.#sites.values()
  }

  #prune(now: number): void {
    this.#prunedAt = now
    for (const [name, site] of this.#sites) {
      if (site.forgettable(now, FORGET)) this.#sites.delete(name)
      for (const [lane, at] of site.lanes) if (now - at > FORGET) site.lanes.delete(lane)
      for (const [key, way] of site.ways) if (way.forget(now - FORGET)) site.ways.delete(key)
    }
  }
}
