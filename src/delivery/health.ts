// Who is suspended, for how long, and what the queue and the world are told of it: sites whose hosts
// cannot be talked to, and lanes whose site cannot be looked up.

import type { Clock } from '../base/clock.ts'
import type { Destination } from '../mail/destination.ts'
import type { Report } from '../mail/event.ts'
import type { Cause } from '../mail/outcome.ts'
import type { Queue } from '../queue/port.ts'
import type { HeldLease, Leases } from './leases.ts'
import type { Site } from './site.ts'
import type { Sites } from './sites.ts'
import { Trouble } from './trouble.ts'

export interface HealthOptions {
  readonly queue: Queue
  readonly clock: Clock
  readonly chance: () => number
  readonly report: Report
  readonly sites: Sites
  readonly leases: Pick<Leases, 'count'>
}

/** Lanes in trouble that are remembered; more than this and the oldest begin again at the first step. */
const REMEMBERED = 100_000

export class Health {
  #options: HealthOptions
  #lanes = new Map<Destination, Trouble>()

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** The lane of a suspended site waits with it; `false`: it may go on. */
  waits(site: Site, { lease, number }: Pick<HeldLease, 'lease' | 'number'>): boolean {
    if (!site.trouble.suspended(this.#options.clock.now())) return false
    const before = site.told.get(lease.lane)
    if (before === undefined) this.#keepBack(site, [lease.lane])
    // The queue knew that it waits and gave it out all the same: an operator wants it tried now.
    else if (number > before) site.trouble.hurry()
    return site.trouble.suspended(this.#options.clock.now())
  }

  /**
   * Nobody could be talked to. While others of the site's connections are up this is a limit that
   * the site does not name: it gets no more than those for a while.
   */
  unreachable(site: Site, retry: readonly number[], reason: string, cause: Cause): void {
    const now = this.#options.clock.now()
    if (site.trouble.suspended(now)) return
    if (site.hopeful > 0) site.lowerCeiling(now + (retry[0] ?? 0))
    else this.#suspend(site, retry, reason, cause)
  }

  /** A delivery lost its connection from MAIL on. */
  lost(
    site: Site,
    delivery: Parameters<Trouble['strike']>[0],
    retry: readonly number[],
    reason: string,
  ): void {
    if (site.trouble.suspended(this.#options.clock.now())) return
    if (site.trouble.strike(delivery)) this.#suspend(site, retry, reason, 'connect')
  }

  /** A server of the site listened to a whole transaction. */
  well(site: Site): void {
    const { trouble } = site
    const waited = trouble.probing
    const early = this.#options.clock.now() < trouble.until
    trouble.over()
    if (!waited) return
    if (early) this.#note(this.#options.queue.suspend([...site.told.keys()], site.name, 0, ''))
    site.told.clear()
    this.#options.sites.serve(site)
  }

  /** The lane's site cannot be looked up. */
  unresolved(lane: Destination, retry: readonly number[], reason: string): void {
    const { clock, chance, queue, report } = this.#options
    const now = clock.now()
    const trouble = this.#lanes.get(lane) ?? new Trouble()
    if (trouble.suspended(now)) return
    this.#lanes.delete(lane)
    this.#lanes.set(lane, trouble)
    if (this.#lanes.size > REMEMBERED) this.#lanes.delete(this.#lanes.keys().next().value!)
    const until = trouble.step(retry, now, chance(), reason, 'dns')
    const about = { cause: trouble.cause, since: trouble.since }
    this.#note(queue.suspend([lane], undefined, until, reason, about))
    report({ kind: 'suspended', at: now, lanes: [lane], until, reason, cause: trouble.cause })
  }

  resolved(lane: Destination): void {
    if (this.#lanes.size > 0) this.#lanes.delete(lane)
  }

  #suspend(site: Site, retry: readonly number[], reason: string, cause: Cause): void {
    const { clock, chance, report, sites } = this.#options
    const now = clock.now()
    const until = site.trouble.step(retry, now, chance(), reason, cause)
    const lanes = [...site.lanes.keys()]
    site.told.clear()
    this.#keepBack(site, lanes)
    report({ kind: 'suspended', at: now, lanes, site: site.name, until, reason, cause })
    sites.sendHome(site)
  }

  // Leases that were given out before the queue knew are of no operator's making.
  #keepBack(site: Site, lanes: readonly Destination[]): void {
    const { queue, leases } = this.#options
    const { told } = site
    const { until, reason, cause, since } = site.trouble
    for (const lane of lanes) told.set(lane, Infinity)
    const writing = queue.suspend(lanes, site.name, until, reason, { cause, since }).then(
      () => this.#mark(told, lanes, leases.count),
      (error: unknown) => {
        for (const lane of lanes) told.delete(lane)
        throw error
      },
    )
    this.#note(writing)
  }

  #mark(told: Map<Destination, number>, lanes: readonly Destination[], count: number): void {
    for (const lane of lanes) if (told.get(lane) === Infinity) told.set(lane, count)
  }

  // What could not be written is met again at the next claim, and said again then.
  #note(writing: Promise<void>): void {
    const { clock, report } = this.#options
    writing.catch((error: unknown) => {
      const text = 'Cannot write a suspension'
      report({ kind: 'note', at: clock.now(), level: 'warn', text, cause: String(error) })
    })
  }
}
