// A way to a site: with one login, one demand for TLS, one source. What is wrong with a way (a password
// that was changed, TLS that a rule demands and the host has not) stops what goes that way and nobody
// else who goes to the same hosts.

import type { Destination } from '../../mail/destination.ts'
import type { Stage } from '../../mail/outcome.ts'
import type { DeliveryId } from '../../queue/port/types.ts'
import { Trouble } from './trouble.ts'

/** Deliveries that are remembered for having been refused in words that speak of us. */
const REMEMBERED = 1000

/** What a refusal that speaks of us by its words alone comes to. */
export type Weighed =
  /** It is us: all mail of this way would meet it. */
  | 'us'
  /** Not known yet: a message of another sender, over a fresh connection, will show. */
  | 'ask again'
  /** Others went through since: it is this message after all. */
  | 'message'

export class Way {
  readonly trouble = new Trouble()
  /** Lanes that have led here, and when; what is suspended together. */
  readonly lanes = new Map<Destination, number>()
  /** Messages that were taken. */
  #taken = 0
  /** How many had been taken when it was refused so for the first time. */
  #accused = new Map<DeliveryId, number>()
  /** After its content was seen a message was refused in such words: whose it was. */
  #suspect: string | undefined

  /** A message was taken. */
  took(): void {
    this.#taken++
    this.#suspect = undefined
  }

  /**
   * Words can lie: a filter refuses one infected message, a server relays for some domains only. A refusal
   * that others do not meet is the message's; and where the server has seen the content, it is ours only when
   * another sender's message meets the same.
   */
  weigh(delivery: DeliveryId, sender: string, stage: Stage): Weighed {
    const before = this.#accused.get(delivery)
    this.#remember(delivery)
    if (before !== undefined && this.#taken > before) return 'message'
    if (stage !== 'dot' || this.trouble.probing) return 'us'
    if (this.#suspect !== undefined && this.#suspect !== sender) return 'us'
    this.#suspect = sender
    return before === undefined ? 'ask again' : 'message'
  }

  /** Lanes that have not come since then are forgotten; `true`: nothing here is worth keeping. */
  forget(since: number): boolean {
    for (const [lane, at] of this.lanes) if (at < since) this.lanes.delete(lane)
    return this.lanes.size === 0
  }

  #remember(delivery: DeliveryId): void {
    if (this.#accused.has(delivery)) return
    this.#accused.set(delivery, this.#taken)
    if (this.#accused.size > REMEMBERED) this.#accused.delete(this.#accused.keys().next().value!)
  }
}
