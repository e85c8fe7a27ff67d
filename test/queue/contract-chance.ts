// The contract, by chance: a long random story of mail, attempts, trouble and operators. Whatever
// happens in it, in the end every recipient has ended once and no lane has forgotten its work.

import { expect, test } from 'vitest'

import type { Delivery, Lease, RecipientResult } from '../../src/queue/port/outflow.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import { FULL, SEED } from '../peers/chance.ts'
import type { ManualClock } from '../peers/clock.ts'
import type { Open } from './contract.ts'
import { attempt, deferred, delivered, HOUR, lane, outcome, send, WHO } from './mail.ts'

const LANES = ['a.example', 'b.example', 'c.example', 'd.example']
const STEPS = 250

export function contractOfChance(open: Open): void {
  for (const seed of FULL ? [1, 2, 3, 4, SEED] : [SEED])
    test(`every recipient ends once in the random story ${seed}`, async () => {
      await using opened = await open()
      const story = new Story(opened.queue, opened.clock, seed)
      for (let step = 0; step < STEPS; step++) await story.step()
      await story.drain()
      const { entries } = await opened.queue.find({}, { limit: 10_000 })
      expect(entries).toHaveLength(story.recipients)
      expect(entries.filter(({ endedAt }) => endedAt === undefined)).toEqual([])
      expect(await opened.queue.counts('state')).toEqual([])
    })
}

class Story {
  recipients = 0
  #queue: Queue
  #clock: ManualClock
  #random: number
  #leases: { lease: Lease; hand: Delivery | undefined }[] = []

  constructor(queue: Queue, clock: ManualClock, seed: number) {
    this.#queue = queue
    this.#clock = clock
    this.#random = seed
  }

  async step(): Promise<void> {
    const dice = this.#chance(20)
    if (dice < 6) return await this.#send()
    if (dice < 9) return await this.#claim()
    if (dice < 14) return await this.#draw()
    if (dice < 15) return await this.#release()
    if (dice < 17) return this.#pass()
    if (dice < 18) return await this.#suspend()
    return dice < 19 ? await this.#steer() : await this.#stop()
  }

  /** All stops are lifted; then whoever claims and draws until nothing waits has everything. */
  async drain(): Promise<void> {
    for (const name of LANES) {
      await this.#queue.suspend([lane(name)], undefined, 0, '')
      await this.#queue.unhold({ kind: 'destination', name }, WHO)
    }
    this.#queue.full(LANES.map(lane), false)
    await this.#queue.unhold({ kind: 'all' }, WHO)
    await this.#queue.unhold({ kind: 'queue', name: 'bulk' }, WHO)
    await this.#queue.steer('release', {}, WHO)
    for (const { lease, hand } of this.#leases.splice(0)) {
      if (hand !== undefined) await this.#queue.settle(hand, attempt(this.#clock, hand, delivered))
      await this.#queue.release(lease)
    }
    this.#clock.pass(HOUR) // Leases that were forgotten lapse.
    for (;;) {
      await this.#refuseAll()
      const due = await this.#queue.nextDue()
      if (due === undefined) return
      this.#clock.pass(Math.max(0, due - this.#clock.now()))
      for (const lease of await this.#queue.claim(5)) await this.#empty(lease)
    }
  }

  async #empty(lease: Lease): Promise<void> {
    let taken = await this.#queue.take(lease)
    while (taken.kind === 'delivery') {
      const settlement = attempt(this.#clock, taken.delivery, delivered)
      taken = (await this.#queue.settle(taken.delivery, settlement, lease))!
    }
    await this.#queue.release(lease)
  }

  async #send(): Promise<void> {
    const count = 1 + this.#chance(3)
    const to = Array.from({ length: count }, (_, i) => `u${i}@${this.#lane()}`)
    this.recipients += count
    await send(this.#queue, this.#clock, {
      to,
      priority: [1, 10, 20, 80][this.#chance(4)]!,
      queue: this.#chance(4) === 0 ? 'bulk' : 'default',
      due: this.#clock.now() + (this.#chance(3) === 0 ? this.#chance(HOUR) : 0),
    })
  }

  async #claim(): Promise<void> {
    const leases = await this.#queue.claim(1 + this.#chance(3))
    for (const lease of leases) this.#leases.push({ lease, hand: undefined })
  }

  async #draw(): Promise<void> {
    const held = this.#leases[this.#chance(this.#leases.length)]
    if (held === undefined) return
    const { hand, lease } = held
    const taken =
      hand === undefined
        ? await this.#queue.take(lease)
        : await this.#queue.settle(hand, attempt(this.#clock, hand, this.#result()), lease)
    held.hand = taken?.kind === 'delivery' ? taken.delivery : undefined
  }

  #result(): (n: number) => RecipientResult {
    const later = this.#clock.now() + this.#chance(HOUR)
    const unknown = { outcome: outcome('unknown'), verdict: { kind: 'retry', due: later } } as const
    return (n) => {
      const dice = this.#chance(8)
      if (dice < 4) return delivered(n)
      if (dice < 6) return deferred(n, later)
      return dice < 7 ? { n, ...unknown } : { n, verdict: { kind: 'untried', due: later } }
    }
  }

  async #release(): Promise<void> {
    const index = this.#chance(this.#leases.length)
    const held = this.#leases[index]
    // What is in hand is left where it is: the lease lapses one day.
    if (held === undefined || held.hand !== undefined) return
    this.#leases.splice(index, 1)
    await this.#queue.release(held.lease)
  }

  #pass(): void {
    const long = this.#chance(6) === 0
    this.#clock.pass(this.#chance(long ? HOUR : 5000))
    if (long) this.#leases = this.#leases.filter(() => this.#chance(2) === 0)
  }

  async #suspend(): Promise<void> {
    const until = this.#chance(3) === 0 ? 0 : this.#clock.now() + this.#chance(HOUR)
    await this.#queue.suspend([lane(this.#lane())], undefined, until, 'no host answers')
  }

  async #steer(): Promise<void> {
    const act = (['hold', 'release', 'retry', 'refuse', 'cancel'] as const)[this.#chance(5)]!
    await this.#queue.steer(act, { to: `u${this.#chance(3)}@${this.#lane()}` }, WHO)
    if (this.#chance(2) === 0) await this.#refuseAll()
  }

  async #stop(): Promise<void> {
    const name = this.#lane()
    const scope = [
      { kind: 'all' } as const,
      { kind: 'destination', name } as const,
      { kind: 'queue', name: 'bulk' } as const,
    ][this.#chance(3)]!
    const dice = this.#chance(4)
    if (dice === 0) await this.#queue.hold(scope, WHO)
    else if (dice === 1) await this.#queue.unhold(scope, WHO)
    else this.#queue.full([lane(name)], dice === 2)
  }

  async #refuseAll(): Promise<void> {
    for (const delivery of await this.#queue.overdue('refuse', 1000)) {
      const verdict = { kind: 'end', end: 'bounced' } as const
      const results = delivery.recipients.map(({ n }) => ({ n, verdict }))
      await this.#queue.settle(delivery, { at: this.#clock.now(), results })
    }
  }

  #lane(): string {
    return LANES[this.#chance(LANES.length)]!
  }

  /** A whole number below the limit: xorshift, so that a story can be told again. */
  #chance(limit: number): number {
    let x = this.#random + 0x9e3779b9
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#random = x >>> 0
    return this.#random % Math.max(limit, 1)
  }
}
