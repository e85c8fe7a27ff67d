// Deliveries handed out: a lane's lease, then one delivery after the other under it, each settled in the
// step that takes the next.

import type { Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import type { FreshMail } from '../fresh.ts'
import type { QueueError } from '../port.ts'
import type { Delivery, Lease, MessageId, Settlement, Taken } from '../port.ts'
import { factOf, freshDelivery } from '../settled.ts'
import type { Arriving } from './arriving.ts'
import { Batches } from './batches.ts'
import type { Fill } from './batches.ts'
import { answerOf } from './caller.ts'
import type { Answer, Caller } from './caller.ts'
import type { Lanes } from './lanes.ts'
import type { Link } from './link.ts'
import { dueAfter, loadedDelivery, settleRow } from './rows.ts'
import type { LoadedRow } from './rows.ts'

export interface HandingOptions {
  readonly link: Link
  readonly caller: Caller
  readonly lanes: Lanes
  readonly arriving: Arriving
  readonly fresh: FreshMail<MessageId>
  readonly clock: Clock
  readonly report: Report
  readonly heard: (answer: Answer) => void
}

const NONE: Taken = { kind: 'idle', until: undefined }

export class Handing {
  #options: HandingOptions
  #batches: Batches
  /** What a lease's fetches are made of. */
  #fetches = new Map<string, Promise<readonly unknown[]>>()
  /** Deliveries that somebody was handed and has not settled. */
  #hand = new Set<string>()
  #lastNotice = 0

  constructor(options: HandingOptions) {
    this.#options = options
    const { link, clock, report } = options
    this.#batches = new Batches({ link, redis: link.work, clock, report })
  }

  get leases(): number {
    return this.#fetches.size
  }

  begin({ id, lane }: Lease): void {
    this.#fetches.set(id, this.#options.lanes.get(lane).fetchWords(id))
  }

  end({ id }: Lease): void {
    this.#fetches.delete(id)
  }

  /**
   * An answer may have been lost with its connection: what was taken by it is in nobody's hand, and
   * goes back.
   */
  async giveBackLost(): Promise<void> {
    const { link, caller, heard } = this.#options
    heard(await caller.call(link.work, 'hand', { hand: [...this.#hand] }))
  }

  async overdue(kind: 'expire' | 'warn' | 'refuse', count: number): Promise<Delivery[]> {
    const { link, caller, heard } = this.#options
    link.check()
    const answer = await caller.callBytes(link.work, 'overdue', { kind, count })
    heard(answer)
    return (answer.value as LoadedRow[]).map((row) => this.#handed(loadedDelivery(row, undefined)))
  }

  async take(lease: Lease): Promise<Taken> {
    const { lanes, caller } = this.#options
    const lane = lanes.get(lease.lane)
    const words = await (this.#fetches.get(lease.id) ?? lane.fetchWords(lease.id))
    const given = { lane: lane.name, lease: lease.id }
    for (;;) {
      const replies = await this.#batches.call((multi) => {
        lane.fetch(multi, words)
        caller.join(multi, 'took', given)
      })
      const taken = await this.#taken(replies.at(-1), lease)
      if (taken !== 'again') return taken
    }
  }

  async settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
  ): Promise<Taken | undefined> {
    const { arriving, caller } = this.#options
    const { notices = [] } = settlement
    const after = notices.length === 0 ? undefined : `${caller.me}.${++this.#lastNotice}`
    const arrivals = await Promise.all(notices.map((mail) => arriving.prepare(mail, after)))
    const goesOn = next !== undefined && next.id === delivery.lease
    const step: Fill = (multi) => {
      this.#addSettle(multi, delivery, settlement, goesOn, after)
      for (const arrival of arrivals) arriving.fill(arrival)(multi)
    }
    const replies = await this.#batches.call(step).catch(async (error: QueueError) => {
      arriving.abandon(arrivals)
      if (error.kind !== 'full' || notices.length > 0) throw error
      await this.#settleAlone(delivery, settlement)
    })
    this.#hand.delete(delivery.id)
    if (replies === undefined) return undefined
    arriving.tell(arrivals, replies)
    // BullMQ's reply is before ours, where a job is moved at all.
    const taken = await this.#taken(replies[delivery.lease === undefined ? 0 : 1], next)
    if (next === undefined) return undefined
    return goesOn && taken !== 'again' ? taken : this.take(next)
  }

  #addSettle(
    multi: Parameters<Fill>[0],
    delivery: Delivery,
    settlement: Settlement,
    next: boolean,
    after: string | undefined,
  ): void {
    const { id, lease, destination } = delivery
    const { lanes, caller } = this.#options
    const lane = lanes.get(destination)
    // What a sweep has taken has no job; whatever goes elsewhere gets one there by our script.
    if (lease !== undefined) {
      const due = settlement.moveTo === undefined ? dueAfter(delivery, settlement) : undefined
      if (due === undefined) lane.finish(multi, id, lease, next)
      else lane.delay(multi, id, lease, due, next)
    }
    const given = {
      ...this.#settleRow(delivery, settlement),
      ...(after === undefined ? {} : { after }),
      ...(next ? { next: lease! } : {}),
    }
    caller.join(multi, 'settle', given, factOf(id, settlement) ?? '')
  }

  // A server without room refuses every transaction, but not a function that brings to an end what was
  // taken; it sets the job right by itself.
  async #settleAlone(delivery: Delivery, settlement: Settlement): Promise<void> {
    const { link, caller, heard } = this.#options
    const given = this.#settleRow(delivery, settlement)
    const fact = factOf(delivery.id, settlement) ?? ''
    heard(await caller.call(link.work, 'settle', given, fact))
  }

  #settleRow({ id, message, lease, destination }: Delivery, settlement: Settlement): object {
    const { lanes, caller } = this.#options
    const base = {
      id: message,
      n: Number(id.slice(message.length + 1)),
      lane: lanes.get(destination).name,
      lease: lease ?? caller.me,
    }
    return settleRow(base, settlement)
  }

  async #taken(reply: unknown, lease: Lease | undefined): Promise<Taken | 'again'> {
    const answer = answerOf(reply)
    this.#options.heard(answer)
    if (lease === undefined || !Array.isArray(answer.value)) return NONE
    const row = answer.value as Buffer[]
    switch (String(row[0])) {
      case 'again':
        return 'again'
      case 'fresh':
        return this.#freshly(String(row[1]) as MessageId, Number(row[2]), lease)
      case 'loaded':
        return this.#takenFrom(answer.value as unknown as LoadedRow, lease)
      default:
        return { kind: 'idle', until: row[1]!.length === 0 ? undefined : Number(String(row[1])) }
    }
  }

  async #freshly(id: MessageId, n: number, lease: Lease): Promise<Taken> {
    const { fresh, caller, link } = this.#options
    const mail = fresh.take(id)
    if (mail !== undefined)
      return { kind: 'delivery', delivery: this.#handed(freshDelivery(mail, n, lease.id)) }
    const { value } = await caller.callBytes(link.work, 'load', { id, n })
    return this.#takenFrom(value as LoadedRow, lease)
  }

  #takenFrom(row: LoadedRow, lease: Lease): Taken {
    return { kind: 'delivery', delivery: this.#handed(loadedDelivery(row, lease.id)) }
  }

  #handed(delivery: Delivery): Delivery {
    this.#hand.add(delivery.id)
    return delivery
  }
}
