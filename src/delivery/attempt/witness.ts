// What one attempt has seen of its site and of the way there, told to health: that it is well, that it is in
// trouble and whose, or that this delivery ended as others did before it.

import type { Cause, Outcome } from '../../mail/outcome.ts'
import { formatReply } from '../../mail/reply.ts'
import type { DeliveryId } from '../../queue/port/types.ts'
import { wordsOf } from '../decide/assess.ts'
import type { Assessed } from '../decide/assess.ts'
import type { Patience } from '../trouble/back-off.ts'
import type { Health, Met } from '../site/health.ts'
import type { TransactionResult } from '../connection.ts'
import { isTooManyAtOnce } from '../decide/replies.ts'
import type { Slot } from '../site/site.ts'
import type { Way } from '../trouble/way.ts'

export class Witness {
  readonly #health: Health
  readonly #delivery: DeliveryId
  readonly #slot: Slot
  readonly #way: Way
  readonly #patience: () => Patience
  /** When the attempt began: see `Health.moment`. */
  readonly #since: number

  constructor(health: Health, delivery: DeliveryId, slot: Slot, patience: () => Patience) {
    this.#health = health
    this.#delivery = delivery
    this.#slot = slot
    this.#way = slot.way
    this.#patience = patience
    this.#since = health.moment()
  }

  /** One message that is put off at MAIL may have itself to thank for it; several in a row have not. */
  putOff(assessed: Assessed): Assessed {
    const { outcomes } = assessed
    const [first] = outcomes.values()
    if (first?.kind !== 'deferred' || first.stage !== 'mail' || first.by !== 'server')
      return assessed
    // What is said of the sender's address is said of nobody else.
    if (first.reply.status?.[2] === '1') return assessed
    if (!this.#health.putOff(this.#met(first), this.#delivery, wordsOf(first))) return assessed
    const trouble = { ...first, scope: 'site' } as const
    const all = new Map([...outcomes.keys()].map((n) => [n, trouble]))
    return { outcomes: all, trouble, isAlike: true }
  }

  /** @param barred what it is about when the way is not open to us */
  tell(result: TransactionResult, { outcomes, trouble }: Assessed, barred: Cause): void {
    const { site } = this.#slot
    let loss: Outcome | undefined
    let isTaken = false
    for (const outcome of outcomes.values()) {
      if (outcome.kind === 'delivered') isTaken = true
      if (outcome.kind === 'deferred' || outcome.kind === 'unknown') loss ??= outcome
    }
    if (isTaken) this.#health.took(site, this.#way)
    if (trouble !== undefined) return this.tellTrouble(trouble, barred)
    // What arrived, or was refused, before the server left shows that the site works.
    const isStrike = result.connection === 'lost' && loss !== undefined && result.later.length === 0
    if (isStrike) this.#health.lost(this.#met(loss!), this.#delivery)
    else this.#health.well(site, this.#way, this.#since)
  }

  tellTrouble(trouble: Outcome, barred: Cause): void {
    const { site } = this.#slot
    const met = this.#met(trouble)
    const isTooMany = isTooManyAtOnce(trouble.reply)
    if (isBeforeMail(trouble)) {
      site.fail(this.#slot)
      if (trouble.scope === 'site' || isTooMany) this.#health.unreachable(met)
      else this.#health.barred(met, trouble.stage === 'auth' ? 'login' : 'tls')
    } else if (trouble.scope === 'way') {
      this.#health.well(site, undefined, this.#since)
      this.#health.barred(met, barred)
    } else if (isTooMany) this.#health.tooMany(met)
    else this.#health.tooFast(met)
  }

  #met({ reply }: Outcome): Met {
    const { site } = this.#slot
    return { site, way: this.#way, patience: this.#patience(), reason: formatReply(reply) }
  }
}

function isBeforeMail({ stage }: Outcome): boolean {
  return stage !== 'mail' && stage !== 'rcpt' && stage !== 'data' && stage !== 'dot'
}
