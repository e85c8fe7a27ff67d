// Connections that all processes which call from one source share: each borrows some of a site before it
// opens them, and gives back what it does not use. While the queue cannot be asked it keeps what it has,
// for as long as nobody else can have been given it.

import { steady } from '../../base/clock.ts'
import type { Cancel, Clock } from '../../base/clock.ts'
import type { Loan } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import type { Site } from './site.ts'

export interface LoanOptions {
  readonly borrow: NonNullable<Outflow['borrow']>
  readonly clock: Clock
  /** What others see us call from. */
  readonly source: string
  /** The site may have more than before, or has to part with some. */
  readonly changed: (site: Site) => void
}

interface Batch {
  readonly sites: Set<Site>
  readonly done: Promise<void>
}

/** What is held is told again this often, and sooner while more is wanted. */
const EVERY = 5000
const SOON = 500
/** What nobody was told of for so long may be others'. */
const LOST = 30_000
/** Asked for at once, beside what is needed now. */
const SPARE = 2

export class Shares {
  #options: LoanOptions
  /** Sites of which we have something, or want it. */
  #sites = new Set<Site>()
  /** Sites that are asked for in this turn of the event loop. */
  #batch: Batch | undefined
  /** Sites that could use more than they have. */
  #starved = new Set<Site>()
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined
  #toldAt: number
  #stopped = false

  constructor(options: LoanOptions) {
    this.#options = options
    this.#toldAt = steady(options.clock)
    this.#later()
  }

  /** Asks for one more of the site; resolves when it is known how many it may have. */
  ask(site: Site): Promise<void> {
    this.#sites.add(site)
    const batch = (this.#batch ??= this.#begin())
    batch.sites.add(site)
    return batch.done
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  // All that is asked for in one turn of the event loop is asked for together.
  #begin(): Batch {
    const sites = new Set<Site>()
    const turn = new Promise((resolve) => setImmediate(resolve))
    const done = turn.then(async () => {
      this.#batch = undefined
      await this.#borrow([...sites])
      this.#later()
    })
    return { sites, done }
  }

  async #borrow(sites: readonly Site[]): Promise<void> {
    if (sites.length === 0) return
    const { borrow, changed, clock } = this.#options
    const askedAt = steady(clock)
    try {
      const loans = sites.map((site) => this.#loanOf(site))
      const granted = await borrow(loans)
      if (sites.length === this.#sites.size) this.#toldAt = askedAt
      for (const [index, site] of sites.entries()) {
        site.granted = granted[index]!
        if (site.granted < loans[index]!.wanted - SPARE) this.#starved.add(site)
        else this.#starved.delete(site)
        if (loans[index]!.wanted === 0 && site.needed === 0) this.#sites.delete(site)
        changed(site)
      }
    } catch {
      // The queue is away, and says so itself.
      if (steady(clock) - this.#toldAt >= LOST) this.#loseAll()
    }
  }

  #loanOf(site: Site): Loan {
    const now = this.#options.clock.now()
    const { needed } = site
    const limit = site.ownLimit(now)
    const wanted = needed === 0 ? 0 : Math.min(limit, needed + SPARE)
    // Until the answer is here none is opened that is not told of, or two processes could count one twice.
    site.granted = Math.min(site.granted, site.open)
    return { site: `${this.#options.source}/${site.name}`, held: site.open, wanted, limit }
  }

  #later(): void {
    const { clock } = this.#options
    const at = steady(clock) + (this.#starved.size > 0 ? SOON : EVERY)
    if (this.#stopped || (this.#timer !== undefined && this.#timer.at <= at)) return
    this.#timer?.cancel()
    const cancel = clock.after(at - steady(clock), () => {
      this.#timer = undefined
      void this.#borrow([...this.#sites]).then(() => this.#later())
    })
    this.#timer = { at, cancel }
  }

  #loseAll(): void {
    for (const site of this.#sites) {
      site.granted = 0
      this.#options.changed(site)
    }
  }
}
