// Deliveries handed out: a lane's lease, then one delivery after the other under it, each settled in the
// step that takes the next.

import type { Clock } from '../../../base/clock.ts'
import type { Report } from '../../../mail/event.ts'
import type { FreshMail } from '../../fresh.ts'
import type { Answered } from '../../../store/store.ts'
import type { Delivery, Lease, Settlement, Taken } from '../../port/outflow.ts'
import type { MessageId, QueueError } from '../../port/types.ts'
import { settledFact } from '../../events.ts'
import { freshDelivery } from '../../settled.ts'
import type { Arriving } from './arriving.ts'
import { answersOf } from '../calls/answers.ts'
import { Batches } from '../calls/batches.ts'
import type { Step } from '../calls/batches.ts'
import type { Answer, Caller, Entry } from '../calls/caller.ts'
import type { Drawing, Lane, Lanes } from './lanes.ts'
import type { Link } from '../link/link.ts'
import { dueAfter, loadedDelivery, settleRow } from '../calls/rows.ts'
import type { LoadedRow } from '../calls/rows.ts'

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
  /** What is asked of its lane, by lease. */
  #drawings = new Map<string, Drawing>()
  /** Deliveries that somebody was handed and has not settled. */
  #hand = new Set<string>()
  #lastNotice = 0

  constructor(options: HandingOptions) {
    this.#options = options
    this.#batches = new Batches({ ...options, redis: options.link.work })
  }

  get leases(): number {
    return this.#drawings.size
  }

  begin({ id, lane }: Lease): void {
    this.#drawings.set(id, this.#options.lanes.get(lane).under(id))
  }

  end({ id }: Lease): void {
    this.#drawings.delete(id)
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
    const lane = this.#options.lanes.get(lease.lane)
    const fetch = await this.#drawingOf(lease.id, lane).fetch
    const took: Entry = { name: 'took', given: { lane: lane.name, lease: lease.id }, words: [] }
    for (;;) {
      const [answer] = await this.#batches.call([fetch, took])
      const taken = await this.#taken(answer, lease)
      if (taken !== 'again') return taken
    }
  }

  async settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
    answered?: Answered,
  ): Promise<Taken | undefined> {
    const { arriving, caller } = this.#options
    const { notices = [] } = settlement
    const after = notices.length === 0 ? undefined : `${caller.me}.${++this.#lastNotice}`
    const arrivals = await Promise.all(notices.map((mail) => arriving.prepare(mail, after)))
    const goesOn = next !== undefined && next.id === delivery.lease
    const step = [
      ...this.#settling(delivery, settlement, goesOn, after),
      ...arrivals.flatMap((arrival) => arriving.step(arrival)),
    ]
    const answers = await this.#batches.call(step).catch(async (error: QueueError) => {
      arriving.abandon(arrivals)
      if (error.kind !== 'full' || notices.length > 0) throw error
      await this.#settleAlone(delivery, settlement)
    })
    this.#hand.delete(delivery.id)
    if (answers === undefined) return undefined
    arriving.tell(arrivals, answers.slice(1))
    const taken = await this.#taken(alone(answers[0], answered), next)
    if (next === undefined) return undefined
    return goesOn && taken !== 'again' ? taken : this.take(next)
  }

  #settling(
    delivery: Delivery,
    settlement: Settlement,
    next: boolean,
    after: string | undefined,
  ): Step {
    const { id, lease, destination } = delivery
    const given = {
      ...this.#settleRow(delivery, settlement),
      ...(after === undefined ? {} : { after }),
      ...(next ? { next: lease! } : {}),
    }
    const settle: Entry = { name: 'settle', given, words: [settledFact(id, settlement) ?? ''] }
    // What a sweep has taken has no job; whatever goes elsewhere gets one there by our function.
    if (lease === undefined) return [settle]
    const lane = this.#options.lanes.get(destination)
    const due = settlement.moveTo === undefined ? dueAfter(delivery, settlement) : undefined
    const drawing = this.#drawingOf(lease, lane)
    const move =
      due === undefined ? lane.finish(id, drawing, next) : lane.delay(id, drawing, due, next)
    return [move, settle]
  }

  #drawingOf(lease: string, lane: Lane): Drawing {
    return this.#drawings.get(lease) ?? lane.under(lease)
  }

  // A server without room refuses all steps, but not a function that only brings to an end what was
  // taken; it sets the job right by itself.
  async #settleAlone(delivery: Delivery, settlement: Settlement): Promise<void> {
    const { link, caller, heard } = this.#options
    const given = this.#settleRow(delivery, settlement)
    const fact = settledFact(delivery.id, settlement) ?? ''
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

  async #taken(answer: unknown, lease: Lease | undefined): Promise<Taken | 'again'> {
    if (lease === undefined || !Array.isArray(answer)) return NONE
    const row = answer as Buffer[]
    switch (String(row[0])) {
      case 'again':
        return 'again'
      case 'fresh':
        return this.#freshly(String(row[1]) as MessageId, Number(row[2]), lease)
      case 'loaded':
        return this.#takenFrom(answer as unknown as LoadedRow, lease)
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

/** The answer without what its entries of small state came to. */
function alone(answer: unknown, answered: Answered | undefined): unknown {
  if (!Array.isArray(answer) || String(answer[0]) !== 'also') return answer
  answered?.(answersOf(answer[2]))
  return answer[1]
}
