// Ends what has had its time, warns of what waits long, and ends what an operator refused, whatever
// lanes and suspensions say: a lane that is never drawn from again must not keep its mail for ever.

import type { Clock } from '../../base/clock.ts'
import { Repeat } from '../../base/repeat.ts'
import type { Report } from '../../mail/event.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Delivery, Settlement } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import type { Notices } from '../notice/owed.ts'
import { timesOf } from '../decide/plan.ts'
import type { Settler, ToSettle } from '../settle/settler.ts'
import { ended, untried } from '../decide/settlements.ts'

export interface SweepOptions {
  readonly queue: Outflow
  readonly policy: () => Policy
  readonly clock: Clock
  readonly report: Report
  readonly settler: Settler
  readonly notices: Notices
}

type Kind = 'expire' | 'warn' | 'refuse'

const EVERY = 1000
const TOGETHER = 100

export class Sweep {
  #options: SweepOptions
  #repeat: Repeat
  #failing = false

  constructor(options: SweepOptions) {
    this.#options = options
    this.#repeat = new Repeat({
      clock: options.clock,
      every: EVERY,
      round: () => this.#sweep(),
    })
  }

  /** Resolves when what it is at is written. */
  stop(): Promise<void> {
    return this.#repeat.stop()
  }

  async #sweep(): Promise<void> {
    const { settler, report, clock } = this.#options
    if (!settler.sound) return
    try {
      for (const kind of ['refuse', 'expire', 'warn'] as const) await this.#sweepAll(kind)
      this.#failing = false
    } catch (error) {
      // Said once, until it goes well again.
      if (this.#failing) return
      this.#failing = true
      const text = 'Cannot look for overdue mail, trying again'
      report({ kind: 'note', at: clock.now(), level: 'error', text, cause: String(error) })
    }
  }

  async #sweepAll(kind: Kind): Promise<void> {
    const { queue, settler } = this.#options
    for (;;) {
      const deliveries = await queue.overdue(kind, TOGETHER)
      await Promise.all(
        deliveries.map((delivery) => settler.settle(delivery, this.#settlement(kind, delivery))),
      )
      if (deliveries.length < TOGETHER || this.#repeat.stopped || !settler.sound) return
    }
  }

  // Files may have changed since: what has more time now than it had gets it.
  #settlement(kind: Kind, delivery: Delivery): ToSettle {
    const { clock, notices, policy } = this.#options
    const now = clock.now()
    const { expireAt, warnAt } = timesOf(delivery, policy())
    if (kind === 'expire' && expireAt > now) return later(delivery, now, { expireAt })
    if (kind === 'warn' && warnAt !== undefined && warnAt > now)
      return later(delivery, now, { warnAt })
    if (kind === 'warn') return () => notices.warn(delivery, now)
    return notices.owed(delivery, ended(delivery, now), false)
  }
}

function later(
  delivery: Delivery,
  now: number,
  times: { expireAt: number } | { warnAt: number },
): Settlement {
  return { ...untried(delivery, now), ...times }
}
