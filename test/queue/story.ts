// A random story of mail, attempts, trouble and operators, told to several queues at once. Whatever they
// may choose freely (ids, which of equals goes first) is left out of what is compared.

import { expect } from 'vitest'

import type { Fact } from '../../src/queue/port/history.ts'
import type { Delivery, Lease, RecipientResult, Settlement } from '../../src/queue/port/outflow.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import type { Filter, StandingHold } from '../../src/queue/port/reader.ts'
import { ACTS } from '../../src/queue/port/types.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import type { ManualClock } from '../peers/clock.ts'
import { allChanges } from './contract-history.ts'
import { attempt, deferred, delivered, HOUR, lane, outcome, send, WHO } from './mail.ts'
import type { MailWish } from './mail.ts'

type FactsOf = Map<MessageId, readonly Fact[]>

interface Took {
  readonly name: string
  readonly [more: string]: unknown
}

const LANES = ['a.example', 'b.example', 'c.example']
const MINUTE = 60_000

/** One engine, and what the story calls its mail: ids are each engine's own. */
export class Side implements AsyncDisposable {
  readonly queue: Queue
  readonly clock: ManualClock
  readonly leases = new Map<string, Lease>()
  /** Deliveries that were taken and not settled, by the story's name. */
  readonly hand = new Map<string, Delivery>()
  #names = new Map<string, string>()
  #close: () => Promise<void>

  constructor(queue: Queue, clock: ManualClock, close = async (): Promise<void> => {}) {
    this.queue = queue
    this.clock = clock
    this.#close = close
  }

  async send(name: string, wish: MailWish): Promise<void> {
    this.#names.set(await send(this.queue, this.clock, wish), name)
  }

  /** Claims what there is and takes all that is due; answers what it was. */
  async take(): Promise<object> {
    await this.#claimAll()
    const taken: object[] = []
    for (const lane of LANES) {
      const lease = this.leases.get(lane)
      const all = lease === undefined ? [] : await this.#takeAll(lease)
      // A lane may be claimed in vain: what is due there is put aside when it is met.
      if (all.length === 0) await this.release(lane)
      else taken.push(all)
    }
    return taken
  }

  /** One claim may leave lanes that it has only moved to where they can be claimed. */
  async #claimAll(): Promise<void> {
    const spare: Lease[] = []
    const isDue = (at = Infinity): boolean => at <= this.clock.now()
    while (isDue(await this.queue.nextDue())) {
      const leases = await this.queue.claim(100)
      for (const lease of leases)
        if (this.leases.has(lease.lane)) spare.push(lease)
        else this.leases.set(lease.lane, lease)
    }
    for (const lease of spare) await this.queue.release(lease)
  }

  /** All that is due under one lease. */
  async #takeAll(lease: Lease, first = this.queue.take(lease)): Promise<Took[]> {
    const deliveries: Took[] = []
    for (let taken = await first; ; taken = await this.queue.take(lease)) {
      if (taken.kind === 'idle') return byName(deliveries)
      deliveries.push(this.#took(taken.delivery))
    }
  }

  async overdue(kind: 'expire' | 'warn' | 'refuse'): Promise<object> {
    const taken = await this.queue.overdue(kind, 1000)
    return byName(taken.map((delivery) => this.#took(delivery)))
  }

  #took(delivery: Delivery): Took {
    const name = this.nameOf(delivery.id)
    this.hand.set(name, delivery)
    const { destination, queue, expireAt, warnAt, heldFor, last, refuse } = delivery
    return {
      name,
      about: [destination, queue, expireAt, warnAt, heldFor, last, refuse],
      size: delivery.content.size,
      recipients: delivery.recipients.map((each) => ({ ...each, due: this.#due(each.due) })),
    }
  }

  /** With `next` all that is due in its lane afterwards is taken. */
  async settle(name: string, settlement: Settlement, next: boolean): Promise<object | undefined> {
    const delivery = this.hand.get(name)!
    this.hand.delete(name)
    const lease = next ? this.leases.get(delivery.destination) : undefined
    const taken = await this.queue.settle(delivery, settlement, lease)
    if (lease === undefined || taken === undefined) return undefined
    return this.#takeAll(lease, Promise.resolve(taken))
  }

  async release(name: string): Promise<void> {
    const lease = this.leases.get(name)
    this.leases.delete(name)
    if (lease !== undefined) await this.queue.release(lease)
  }

  /** Leases lapse when they are looked at. */
  async pass(milliseconds: number): Promise<void> {
    this.clock.pass(milliseconds)
    if (milliseconds >= MINUTE) this.leases.clear()
    else await this.queue.renew([...this.leases.values()])
    await this.queue.nextDue()
  }

  /** All that can be seen of the queue. */
  async view(): Promise<object> {
    const { entries } = await this.queue.find({}, { limit: 10_000 })
    const ids = new Map(entries.map(({ id }) => [this.nameOf(id), id]))
    const all: FactsOf = new Map()
    for (const { message, fact } of await allChanges(this.queue))
      all.set(message, [...(all.get(message) ?? []), fact])
    const traces = []
    for (const name of [...ids.keys()].sort())
      traces.push(await this.#trace(name, ids.get(name)!, all))
    const counts = []
    for (const by of ['state', 'queue', 'destination', 'domain'] as const)
      counts.push(sorted(await this.queue.counts(by, [MINUTE, HOUR])))
    const holds = (await this.queue.holds()).map(({ scope }) => scope)
    const suspensions = await this.queue.suspensions()
    // Of what is being refused the engine on Redis keeps no age.
    const waiting = (await this.queue.oldest()).filter(({ state }) => state !== 'sending')
    const oldest = sorted(waiting)
    return { traces, counts, oldest, holds: sorted(holds), suspensions }
  }

  async #trace(name: string, id: MessageId, all: FactsOf): Promise<object> {
    const { facts, entries } = (await this.queue.trace(id))!
    expect(all.get(id), `what the order over all has of ${name}`).toEqual(facts)
    return {
      name,
      entries: entries.map((entry) => {
        const next = entry.next === undefined ? undefined : this.#due(entry.next)
        return { ...entry, id: name, delivery: this.nameOf(entry.delivery), next }
      }),
      facts: this.#byDelivery(facts),
    }
  }

  /** In order for each delivery: which of a message's comes first in one step is free. */
  #byDelivery(facts: readonly Fact[]): object[] {
    const named = facts.map((fact) => JSON.parse(this.#named(JSON.stringify(fact))) as Fact)
    const nameOf = (fact: Fact): string => ('delivery' in fact ? (fact.delivery ?? '') : '')
    return named.sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
  }

  /** Due is due, whoever has noticed it when. */
  #due(at: number): number {
    return Math.max(at, this.clock.now())
  }

  /** The text with the story's names in place of ids. */
  #named(text: string): string {
    return text.replaceAll(
      /"([0-9a-z]{11,14})(-\d+)?"/g,
      (all) => `"${this.nameOf(all.slice(1, -1))}"`,
    )
  }

  nameOf(id: string): string {
    const [message = '', n] = id.split('-')
    const name = this.#names.get(message) ?? message
    return n === undefined ? name : `${name}-${n}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue[Symbol.asyncDispose]()
    await this.#close()
  }
}

export class Story {
  #sides: readonly Side[]
  #lots: () => number
  #sent = 0

  constructor(sides: readonly Side[], chance: () => number) {
    this.#sides = sides
    this.#lots = chance
  }

  /** What was done, in a word. */
  async step(): Promise<string> {
    for (const { clock } of this.#sides) clock.pass(1)
    const dice = this.#chance(18)
    if (dice < 4) return await this.#send()
    if (dice < 7) return await this.#take()
    if (dice < 11) return await this.#settle()
    if (dice < 13) return await this.#steer()
    if (dice < 14) return await this.#pass()
    if (dice < 15) return await this.#hold()
    if (dice < 16) return await this.#overdue()
    return dice < 17 ? await this.#suspend() : await this.#release()
  }

  /** Everything in hand is delivered. */
  async end(): Promise<void> {
    for (const name of this.#hand()) await this.#settleAs(name, () => delivered)
  }

  async #send(): Promise<string> {
    const to = Array.from({ length: 1 + this.#chance(3) }, (_, i) => `u${i}@${this.#lane()}`)
    const priority = [1, 10, 20, 80][this.#chance(4)]!
    const queue = this.#chance(4) === 0 ? 'bulk' : 'default'
    const later = this.#chance(3) === 0 ? this.#chance(HOUR) : 0
    const life = this.#chance(4) === 0 ? this.#chance(HOUR) : 100 * HOUR
    const warns = this.#chance(4) === 0
    const name = `m${++this.#sent}`
    await this.#all((side) => {
      const now = side.clock.now()
      const times = {
        due: now + later,
        expireAt: now + life,
        ...(warns ? { warnAt: now + 1 } : {}),
      }
      return side.send(name, { to, priority, queue, ...times })
    })
    return `send ${name}`
  }

  async #take(): Promise<string> {
    await this.#alike((side) => side.take(), 'taken')
    return 'take'
  }

  async #settle(): Promise<string> {
    const names = this.#hand()
    if (names.length === 0) return this.#take()
    const name = names[this.#chance(names.length)]!
    const [kind, later, next] = [this.#chance(9), this.#chance(HOUR), this.#chance(2) === 0]
    await this.#settleAs(name, (now) => (n) => resultOf((kind + n) % 9, n, now + later), next)
    return `settle ${name} as ${kind}`
  }

  async #settleAs(
    name: string,
    result: (now: number) => (n: number) => RecipientResult,
    next = false,
  ): Promise<void> {
    const settle = (side: Side): Promise<object | undefined> => {
      const tried = result(side.clock.now())
      return side.settle(name, attempt(side.clock, side.hand.get(name)!, tried), next)
    }
    await this.#alike(settle, `what is next after ${name}`)
  }

  async #pass(): Promise<string> {
    const milliseconds = this.#chance(this.#chance(4) === 0 ? HOUR : MINUTE)
    await this.#all((side) => side.pass(milliseconds))
    return `pass ${milliseconds}`
  }

  async #suspend(): Promise<string> {
    const [name, ended, span] = [this.#lane(), this.#chance(3) === 0, this.#chance(HOUR)]
    await this.#all((side) => {
      const until = ended ? 0 : side.clock.now() + span
      return side.queue.suspend([lane(name)], undefined, until, 'no host answers')
    })
    return `suspend ${name} ${ended ? 0 : span}`
  }

  async #steer(): Promise<string> {
    const act = ACTS[this.#chance(ACTS.length)]!
    const filter: Filter = { to: `u${this.#chance(3)}@${this.#lane()}` }
    await this.#alike((side) => side.queue.steer(act, filter, WHO), act)
    return `${act} ${filter.to}`
  }

  async #hold(): Promise<string> {
    const scopes: readonly StandingHold['scope'][] = [
      { kind: 'all' },
      { kind: 'destination', name: this.#lane() },
      { kind: 'queue', name: 'bulk' },
    ]
    const [scope, isHold] = [scopes[this.#chance(3)]!, this.#chance(3) === 0]
    const what = isHold ? 'hold' : 'unhold'
    await this.#alike((side) => side.queue[what](scope, WHO), `${what} ${scope.kind}`)
    return `${what} ${JSON.stringify(scope)}`
  }

  async #overdue(): Promise<string> {
    const kind = (['expire', 'warn', 'refuse'] as const)[this.#chance(3)]!
    await this.#alike((side) => side.overdue(kind), `overdue to ${kind}`)
    return `overdue to ${kind}`
  }

  async #release(): Promise<string> {
    const name = this.#lane()
    await this.#all((side) => side.release(name))
    return `release ${name}`
  }

  #hand(): string[] {
    return [...this.#sides[0]!.hand.keys()].sort()
  }

  async #all(work: (side: Side) => Promise<unknown>): Promise<void> {
    for (const side of this.#sides) await work(side)
  }

  async #alike(work: (side: Side) => Promise<unknown>, what: string): Promise<void> {
    const [first, ...others] = [...this.#sides]
    const answer = await work(first!)
    for (const side of others) expect(await work(side), what).toEqual(answer)
  }

  #lane(): string {
    return LANES[this.#chance(LANES.length)]!
  }

  #chance(limit: number): number {
    return Math.floor(this.#lots() * limit)
  }
}

function resultOf(kind: number, n: number, later: number): RecipientResult {
  switch (kind) {
    case 0:
      return { n, outcome: outcome('unknown'), verdict: { kind: 'retry', due: later } }
    case 1:
      return { n, verdict: { kind: 'untried', due: later } }
    case 2:
      return { n, verdict: { kind: 'untried' } }
    case 3:
      return { n, outcome: outcome('refused', 550), verdict: { kind: 'end', end: 'bounced' } }
    case 4:
    case 5:
      return deferred(n, later)
    default:
      return delivered(n)
  }
}

function byName<Value extends Took>(values: readonly Value[]): Value[] {
  return [...values].sort((one, other) => (one.name < other.name ? -1 : 1))
}

function sorted<Value>(values: readonly Value[]): Value[] {
  const text = (value: Value): string => JSON.stringify(value)
  return [...values].sort((one, other) => (text(one) < text(other) ? -1 : 1))
}
