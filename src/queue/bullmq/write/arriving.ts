// Mail that arrives: a client's, as a step of its own, or what the relay writes itself, within the step in
// which the delivery ends that it tells of.

import type { Clock } from '../../../base/clock.ts'
import type { Report } from '../../../mail/event.ts'
import { acceptedEvent } from '../../events.ts'
import type { FreshMail } from '../../fresh.ts'
import type { Answered, StoreAnswer } from '../../../store/store.ts'
import type { NewMail } from '../../port/intake.ts'
import { QueueError } from '../../port/types.ts'
import type { MessageId } from '../../port/types.ts'
import { Accepting } from './accepting.ts'
import { answersOf } from '../calls/answers.ts'
import type { Step } from '../calls/batches.ts'
import type { Answer, Caller } from '../calls/caller.ts'
import type { ContentStore } from '../content/content.ts'
import type { Lanes } from './lanes.ts'
import type { Link } from '../link/link.ts'
import { isOwnId } from '../calls/process.ts'
import { acceptRow } from '../calls/rows.ts'
import type { AcceptRow } from '../calls/rows.ts'

export interface ArrivingOptions {
  readonly link: Link
  readonly caller: Caller
  readonly lanes: Lanes
  readonly store: ContentStore
  readonly fresh: FreshMail<MessageId>
  readonly clock: Clock
  readonly report: Report
  readonly newId: () => MessageId
  readonly heard: (answer: Answer) => void
  readonly failed: (error: unknown) => void
}

/** A message with its words for our script. */
export interface Arrival {
  readonly mail: NewMail
  readonly row: AcceptRow
}

export class Arriving {
  #options: ArrivingOptions
  #accepting: Accepting

  constructor(options: ArrivingOptions) {
    this.#options = options
    this.#accepting = new Accepting(options)
  }

  /** Resolves with the id when it is durable; rejects with a `QueueError`. */
  async accept(mail: NewMail, answered?: Answered): Promise<MessageId> {
    const { fresh } = this.#options
    const arrival = await this.prepare(mail)
    const { id } = arrival.row.given
    fresh.keep(id, mail)
    try {
      const [answer] = await this.#accepting.accept({
        step: this.step(arrival),
        withdraw: () => this.#withdraw(arrival),
      })
      const { kind, id: kept, answers } = acceptedOf(answer)
      if (kind === 'used')
        throw new QueueError('used', 'The key was used, and can be used again later')
      if (kind === 'swept') throw new QueueError('failing', 'Its content was swept before')
      if (kind === 'clash') throw new QueueError('failing', `Another message has the id "${kept}"`)
      if (answers !== undefined) answered?.(answers)
      return kept
    } catch (error) {
      fresh.drop(id)
      this.abandon([arrival])
      throw error
    }
  }

  /** @param after the ending that the message tells of, and that must have been written with it */
  async prepare(mail: NewMail, after?: string): Promise<Arrival> {
    const { caller, store, newId } = this.#options
    const id = isOwnId(mail.id) ? mail.id : newId()
    await store.seal?.(mail, id)
    const keeper = id === mail.id ? caller.me : undefined
    return { mail, row: acceptRow(mail, id, keeper, store.chunksOf(mail.content), after) }
  }

  /** They were not accepted. */
  abandon(arrivals: readonly Arrival[]): void {
    for (const { row } of arrivals) this.#options.store.unseal?.(row.given.id)
  }

  step({ mail, row }: Arrival): Step {
    const { given, words } = row
    const jobs = mail.deliveries.map((delivery, index) => {
      const lane = this.#options.lanes.get(delivery.destination)
      return lane.add(`${given.id}-${index + 1}`, delivery, mail.at)
    })
    return [...jobs, { name: 'accept', given, words }]
  }

  /**
   * Tells of what the relay wrote itself; a client's message is told by the listener.
   * @param answers to the arrivals, in order
   */
  tell(arrivals: readonly Arrival[], answers: readonly unknown[]): void {
    for (const [index, { mail, row }] of arrivals.entries()) {
      const { kind, id } = acceptedOf(answers[index])
      if (kind === 'swept') void this.accept(mail).catch(this.#options.failed)
      if (kind !== 'accepted' || id !== row.given.id) continue
      this.#options.report(acceptedEvent(mail, id))
    }
  }

  withdrawDoubtful(): Promise<void> {
    return this.#accepting.withdrawDoubtful()
  }

  async #withdraw({ row: { given } }: Arrival): Promise<void> {
    const { caller, link } = this.#options
    const { id, to, from, alias, once, outside } = given
    await caller.call(link.work, 'withdraw', { id, to, from, alias, once, outside })
  }
}

interface Accepted {
  readonly kind: string
  readonly id: MessageId
  /** What its entries of small state came to, if it had any. */
  readonly answers?: readonly StoreAnswer[]
}

function acceptedOf(answer: unknown): Accepted {
  const [kind, id, also] = answer as readonly [Buffer, Buffer?, unknown?]
  const about = { kind: String(kind), id: String(id) as MessageId }
  return Array.isArray(also) ? { ...about, answers: answersOf(also) } : about
}
