// Who is suspended, for how long, and what the queue and the world are told of it: sites whose hosts
// cannot be talked to, ways to them that are not open to us, and lanes whose site cannot be looked up.

import { clip } from '../../base/clip.ts'
import type { Clock } from '../../base/clock.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Report } from '../../mail/event.ts'
import type { Cause } from '../../mail/outcome.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import type { DeliveryId } from '../../queue/port/types.ts'
import type { Patience } from '../trouble/back-off.ts'
import type { HeldLease, Leases } from '../settle/leases.ts'
import type { Site } from './site.ts'
import type { Sites } from './sites.ts'
import { Trouble } from '../trouble/trouble.ts'
import type { Way } from '../trouble/way.ts'

export interface HealthOptions {
  readonly queue: Outflow
  readonly clock: Clock
  readonly chance: () => number
  readonly report: Report
  readonly sites: Sites
  readonly leases: Pick<Leases, 'count'>
}

/** Where trouble was met, and by whom. */
export interface Met {
  readonly site: Site
  readonly way: Way
  /** How long the mail that met it can wait. */
  readonly patience: Patience
  readonly reason: string
}

/** Lanes in trouble that are remembered; more than this and the oldest begin again at the first step. */
const REMEMBERED = 100_000
/** Characters of a reason: it is kept once for each lane. */
const REASON = 500
/** A site gets no more connections than it took for so long, in milliseconds. */
const CEILING = 60_000

export class Health {
  #options: HealthOptions
  #lanes = new Map<Destination, Trouble>()
  #moments = 0

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** Moments are counted: what began before a trouble was met says nothing of its end. */
  moment(): number {
    return ++this.#moments
  }

  /** The lane of a suspended site, or of a suspended way to it, waits; `false`: it may go on. */
  waits(site: Site, way: Way, held: Pick<HeldLease, 'lease' | 'number'>): boolean {
    if (this.#waitsFor(site.trouble, site, held)) return true
    return this.#waitsFor(way.trouble, site, held) || this.#waitsForProbe(way, site, held)
  }

  /** The lease has ended: if it was the probe, another may be. */
  left(site: Site, way: Way, { number }: Pick<HeldLease, 'number'>): void {
    if (way.trouble.probe !== number) return
    way.trouble.probe = undefined
    this.#options.sites.serve(site)
  }

  /**
   * Nobody could be talked to. While others of the site's connections are up this is a limit that
   * the site does not name: it gets no more than those for a while.
   */
  unreachable(met: Met): void {
    const { site } = met
    const now = this.#options.clock.now()
    if (site.trouble.suspended(now)) return
    if (site.hopeful > 0) site.lowerCeiling(site.live, now + CEILING)
    else this.#suspendSite(met, 'connect')
  }

  /** The site takes fewer connections at once than it has. */
  tooMany(met: Met): void {
    const { site } = met
    const now = this.#options.clock.now()
    if (site.live > 1) site.lowerCeiling(site.live - 1, now + CEILING)
    else this.#suspendSite(met, 'rate')
  }

  /** The site wants a pause. */
  tooFast(met: Met): void {
    this.#suspendSite(met, 'rate')
  }

  /** The way is not open to us: its login, its TLS. */
  barred({ site, way, patience, reason }: Met, cause: Cause): void {
    this.#suspend(way.trouble, way.lanes, site, cause, patience, reason)
  }

  /** A delivery lost its connection from MAIL on. */
  lost(met: Met, delivery: DeliveryId): void {
    const { trouble, losses } = met.site
    if (losses.count(delivery, 'lost', trouble.probing)) this.#suspendSite(met, 'other')
  }

  /** Put off at MAIL. `true`: so were others, in the same words, and the site has a pause. */
  putOff(met: Met, delivery: DeliveryId, words: string): boolean {
    const { trouble, putOffs } = met.site
    const isKnown = trouble.cause === 'rate' && (trouble.probing || this.#isSuspended(trouble))
    if (!isKnown && !putOffs.count(delivery, words, false)) return false
    this.#suspendSite(met, 'rate')
    return true
  }

  /** Others were taken: what was counted in a row begins anew. */
  took(site: Site, way: Way): void {
    way.took()
    site.losses.clear()
    site.putOffs.clear()
  }

  /**
   * A server of the site listened to a whole transaction, which came this way.
   * @param since the moment at which that attempt began
   */
  well(site: Site, way: Way | undefined, since: number): void {
    this.#over(site.trouble, site, since)
    if (way !== undefined) this.#over(way.trouble, site, since)
  }

  /** The lane's site is not known. */
  unresolved(lane: Destination, cause: Cause, patience: Patience, words: string): void {
    const { clock, chance, queue, report } = this.#options
    const reason = clip(words, REASON)
    const now = clock.now()
    const trouble = this.#lanes.get(lane) ?? new Trouble()
    if (trouble.suspended(now)) return
    this.#lanes.delete(lane)
    this.#lanes.set(lane, trouble)
    if (this.#lanes.size > REMEMBERED) this.#lanes.delete(this.#lanes.keys().next().value!)
    const until = trouble.step(cause, patience, now, chance(), reason)
    const about = { cause: trouble.cause, since: trouble.since }
    this.#note(queue.suspend([lane], undefined, until, reason, about))
    report({ kind: 'suspended', at: now, lanes: [lane], until, reason, cause: trouble.cause })
  }

  resolved(lane: Destination): void {
    if (this.#lanes.size > 0) this.#lanes.delete(lane)
  }

  #isSuspended(trouble: Trouble): boolean {
    return trouble.suspended(this.#options.clock.now())
  }

  #waitsFor(
    trouble: Trouble,
    site: Site,
    { lease, number }: Pick<HeldLease, 'lease' | 'number'>,
  ): boolean {
    if (!this.#isSuspended(trouble)) return false
    const before = trouble.told.get(lease.lane)
    if (before === undefined) this.#keepBack(trouble, site, [lease.lane])
    // The queue knew that it waits and gave it out all the same: somebody wants it tried now.
    else if (number > before) trouble.hurry()
    return this.#isSuspended(trouble)
  }

  // Nothing is known yet after its wait: one lease goes first, the others come back.
  #waitsForProbe(
    { trouble }: Way,
    site: Site,
    { lease, number }: Pick<HeldLease, 'lease' | 'number'>,
  ): boolean {
    if (!trouble.probing) return false
    trouble.probe ??= number
    if (trouble.probe === number) return false
    this.#options.sites.keepBack(site, lease.lane)
    return true
  }

  #suspendSite({ site, patience, reason }: Met, cause: Cause): void {
    this.#suspend(site.trouble, site.lanes, site, cause, patience, reason)
  }

  #suspend(
    trouble: Trouble,
    from: ReadonlyMap<Destination, number>,
    site: Site,
    cause: Cause,
    patience: Patience,
    words: string,
  ): void {
    const reason = clip(words, REASON)
    const { clock, chance, report, sites } = this.#options
    const now = clock.now()
    if (trouble.suspended(now)) return
    const until = trouble.step(cause, patience, now, chance(), reason)
    trouble.metAt = this.moment()
    const lanes = [...from.keys()]
    trouble.told.clear()
    this.#keepBack(trouble, site, lanes)
    report({ kind: 'suspended', at: now, lanes, site: site.name, until, reason, cause })
    if (trouble === site.trouble) sites.sendHome(site)
  }

  #over(trouble: Trouble, site: Site, since: number): void {
    if (!trouble.probing || since < trouble.metAt) return
    const isEarly = this.#options.clock.now() < trouble.until
    const lanes = [...trouble.told.keys()]
    trouble.over()
    trouble.told.clear()
    if (isEarly) this.#note(this.#options.queue.suspend(lanes, site.name, 0, ''))
    this.#options.sites.serve(site)
  }

  // Leases that were given out before the queue knew are of no operator's making.
  #keepBack(trouble: Trouble, site: Site, lanes: readonly Destination[]): void {
    const { queue, leases } = this.#options
    const { told, until, reason, cause, since } = trouble
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
