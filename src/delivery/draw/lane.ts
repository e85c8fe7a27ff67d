// One lease at work: from its lane to a site, from the site to a connection, and then delivery after
// delivery over it. While one is being sent the next is already at hand and being signed, and what came
// of the one before is being written; no delivery begins while outcomes cannot be written.

import type { Clock } from '../../base/clock.ts'
import type { Destination } from '../../mail/destination.ts'
import type { Report } from '../../mail/event.ts'
import type { Cause, Outcome } from '../../mail/outcome.ts'
import { wayOf } from '../../mail/path.ts'
import type { Hop } from '../../mail/path.ts'
import { formatReply } from '../../mail/reply.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Delivery, Settlement, Taken } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import { Attempt } from '../attempt/attempt.ts'
import type { AttemptOptions } from '../attempt/attempt.ts'
import type { HeldLease, Leases } from '../settle/leases.ts'
import { judge, viewOf } from '../decide/judge.ts'
import { patienceOf, planOf } from '../decide/plan.ts'
import type { Plan } from '../decide/plan.ts'
import { prepare } from '../attempt/prepare.ts'
import type { Prepared, Sign } from '../attempt/prepare.ts'
import type { Settler, ToSettle } from '../settle/settler.ts'
import { all, attempted, ended, factOf, moved, troubled, untried } from '../decide/settlements.ts'
import type { Site, Slot } from '../site/site.ts'

export interface LaneOptions extends AttemptOptions {
  readonly queue: Outflow
  readonly leases: Leases
  readonly settler: Settler
  readonly sign: Sign
  readonly report: Report
  /** Nothing new begins. */
  readonly stopping: () => boolean
}

/** Deliveries that a connection carries for one lane while others wait for one. */
const TURN = 100
/**
 * Deliveries that are taken ahead, so that a connection need not wait for commits; only where one
 * takes less than `QUICK`, or those ahead would wait here while another connection could have them.
 */
const AHEAD = 2
const QUICK = 100

interface Hand {
  readonly delivery: Delivery
  readonly prepared: Prepared | Promise<Prepared>
}

/**
 * Works off the lane as far as its site lets it.
 * @param placed called once, when it is known whether there is a connection for it
 * @returns whether the lane may have more that is due
 */
export async function drawFrom(
  options: LaneOptions,
  held: HeldLease,
  placed: () => void,
): Promise<boolean> {
  const { lane } = held.lease
  const { mx, sites, health, stopping } = options
  const policy = options.policy()
  const hop = firstHop(policy, lane)
  if (hop === undefined) return drawNowhere(options, held, noPath(lane), 'other')
  const resolved = await mx.resolve(hop.route)
  if (stopping()) return false
  if (resolved.kind === 'failed')
    return drawNowhere(options, held, judge(resolved.found, viewOf(hop)), 'dns')
  health.resolved(lane)
  const site = sites.find(resolved.site, resolved.hosts, lane)
  const way = site.way(hop)
  way.lanes.set(lane, options.clock.now())
  if (health.waits(site, way, held)) return false
  const entering = sites.enter(site, lane, hop, held.lease.priority)
  placed()
  const slot = await entering
  try {
    if (slot === undefined) return false
    return await new Drawing(options, held, slot, policy).run()
  } finally {
    if (slot !== undefined) sites.leave(slot, lane)
    health.left(site, way, held)
  }
}

/** Where a lane's mail goes next. */
function firstHop(policy: Policy, lane: Destination): Hop | undefined {
  return policy.path(lane)?.[0]
}

function noPath(lane: Destination): Outcome {
  const text = `No rule of routing.yaml leads to ${lane} any more, and none says where else this goes`
  return judge({ kind: 'name', finding: 'no path', text }, { named: true, tlsFailed: false })
}

// A lane that leads nowhere: each delivery bounces; or the first one meets trouble and the lane waits.
async function drawNowhere(
  options: LaneOptions,
  held: HeldLease,
  outcome: Outcome,
  cause: Cause,
): Promise<boolean> {
  const { queue, settler, clock, health, policy, notices, chance } = options
  const { lease } = held
  let taken: Taken | undefined = await queue.take(lease)
  while (taken?.kind === 'delivery') {
    const { delivery } = taken
    const plan = planOf(delivery, policy(), clock.now())
    const trouble = plan.kind === 'send' && outcome.kind !== 'refused'
    const patience = patienceOf(delivery, policy())
    if (trouble) health.unresolved(lease.lane, cause, patience, formatReply(outcome.reply))
    const settlement = unresolved(delivery, plan, outcome, clock.now(), chance())
    const next = trouble || options.stopping() ? undefined : lease
    taken = await settler.settle(delivery, notices.owed(delivery, settlement, false), next)
  }
  return false
}

function unresolved(
  delivery: Delivery,
  plan: Plan,
  outcome: Outcome,
  now: number,
  chance: number,
): Settlement {
  if (plan.kind === 'move') return moved(delivery, plan, now)
  if (plan.kind === 'end') return ended(delivery, now)
  const fact = factOf(now, now, undefined, undefined, [])
  if (outcome.kind !== 'refused') return troubled(delivery, outcome, fact, now)
  const terms = { ...plan, sender: delivery.envelope.sender, now, chance }
  return attempted(delivery, all(plan.recipients, outcome), fact, terms, plan)
}

class Drawing {
  #options: LaneOptions
  #held: HeldLease
  #slot: Slot
  #site: Site
  /** That said which way to go. */
  #policy: Policy
  #clock: Clock
  /** What has been asked for and has not been worked on; nothing, where nothing was due. */
  #ahead: Promise<Hand | undefined>[] = []
  #turn = 0
  #quick = false
  #more = false

  constructor(options: LaneOptions, held: HeldLease, slot: Slot, policy: Policy) {
    this.#options = options
    this.#held = held
    this.#slot = slot
    this.#site = slot.site
    this.#policy = policy
    this.#clock = options.clock
  }

  /** Resolves to whether the lane may have more that is due. */
  async run(): Promise<boolean> {
    const { queue } = this.#options
    let hand = this.#grasp(await queue.take(this.#held.lease))
    while (hand !== undefined) {
      if (!(await this.#mayBegin())) {
        await this.#putBack(hand.delivery)
        break
      }
      if (this.#quick && this.#ahead.length < AHEAD && this.#mayGoOn())
        this.#ahead.push(this.#grasped(queue.take(this.#held.lease)))
      hand = await this.#workOff(hand)
    }
    for (const left of await Promise.all(this.#ahead))
      if (left !== undefined) await this.#putBack(left.delivery)
    return this.#more
  }

  async #workOff(hand: Hand): Promise<Hand | undefined> {
    const before = this.#clock.now()
    const { settlement, goOn } = await this.#attempt(hand)
    this.#quick = this.#clock.now() - before < QUICK
    this.#turn++
    const on = goOn && this.#mayGoOn()
    this.#more ||= !on
    const next = on ? this.#held.lease : undefined
    const { settler } = this.#options
    this.#ahead.push(this.#grasped(settler.settle(hand.delivery, settlement, next)))
    return on ? this.#next() : undefined
  }

  // Where one request found nothing, one that was made after it may have.
  async #next(): Promise<Hand | undefined> {
    for (;;) {
      const ahead = this.#ahead.shift()
      if (ahead === undefined) return undefined
      const hand = await ahead
      if (hand !== undefined) return hand
      this.#quick = false
    }
  }

  // It is prepared as soon as it is there, while another is being sent. Where nothing could be taken
  // storage is away: nobody waits for this yet, so it must not reject, and settling will wait.
  async #grasped(taking: Promise<Taken | undefined>): Promise<Hand | undefined> {
    try {
      return this.#grasp(await taking)
    } catch {
      this.#more = true
      return undefined
    }
  }

  #grasp(taken: Taken | undefined): Hand | undefined {
    return taken?.kind === 'delivery' ? this.#hand(taken.delivery) : undefined
  }

  #hand(delivery: Delivery): Hand {
    const prepared = prepare(this.#options, delivery)
    // Whoever waits for it hears of the failure; until then nobody does.
    if (prepared instanceof Promise) prepared.catch(() => {})
    return { delivery, prepared }
  }

  #attempt({ delivery, prepared }: Hand): Promise<{ settlement: ToSettle; goOn: boolean }> {
    const mayEnd = (): boolean => this.#options.leases.sure(this.#held)
    return new Attempt(this.#options, this.#slot, delivery, mayEnd).make(prepared)
  }

  async #mayBegin(): Promise<boolean> {
    const { settler, stopping, leases } = this.#options
    if (!settler.sound) await settler.whenSound()
    const now = this.#clock.now()
    if (this.#site.trouble.suspended(now) || this.#slot.way.trouble.suspended(now)) return false
    if (!this.#isStillTheWay()) return false
    return !stopping() && leases.sure(this.#held)
  }

  // Policy answers anew at each attempt; where it says another way, the lane is entered again.
  #isStillTheWay(): boolean {
    const policy = this.#options.policy()
    if (policy === this.#policy) return true
    const hop = firstHop(policy, this.#held.lease.lane)
    if (hop === undefined || wayOf(hop) !== wayOf(this.#slot.hop)) return false
    this.#policy = policy
    this.#slot.hop = hop
    return true
  }

  #mayGoOn(): boolean {
    const { stopping, sites } = this.#options
    return !stopping() && (this.#turn < TURN || !sites.crowded(this.#site, this.#held.lease.lane))
  }

  async #putBack(delivery: Delivery): Promise<undefined> {
    this.#more = true
    await this.#options.settler.settle(delivery, untried(delivery, this.#clock.now()))
  }
}
