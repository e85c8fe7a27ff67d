// A connection that is ready for mail. It carries one transaction at a time, counts what was
// taken, and knows whether it can still be used. Each transaction ends in what was found for every
// recipient; nothing is judged here, and nothing is thrown.

import { needsSmtpUtf8 } from '../../mail/address.ts'
import type { Reply } from '../../mail/reply.ts'
import type { Dialogue } from './dialogue.ts'
import type { Offers } from './hello.ts'
import type {
  Connection,
  ConnectionFact,
  Found,
  Transaction,
  TransactionResult,
  Unfit,
} from '../connection.ts'
import { Exchange } from './exchange.ts'
import type { Left } from './exchange.ts'

export class Client implements Connection {
  readonly fact: ConnectionFact
  readonly offersDsn: boolean
  readonly #dialogue: Dialogue
  readonly #offers: Offers
  #taken = 0
  #done = 0
  #busy = false
  /** The server still holds an envelope of ours: RSET goes before the next MAIL. */
  #open = false

  constructor(dialogue: Dialogue, offers: Offers, fact: ConnectionFact) {
    this.#dialogue = dialogue
    this.#offers = offers
    this.fact = fact
    this.offersDsn = offers.dsn
  }

  get taken(): number {
    return this.#taken
  }

  get used(): boolean {
    return this.#done > 0
  }

  get usable(): boolean {
    return !this.#busy && this.#dialogue.quiet
  }

  send(transaction: Transaction): Promise<TransactionResult> {
    if (this.#busy) throw new Error('A connection carries one transaction at a time')
    const unfit = this.#unfit(transaction)
    if (unfit !== undefined) return Promise.resolve(unfit)
    if (!this.#dialogue.quiet) return Promise.resolve(this.#overBefore(transaction))
    this.#busy = true
    return new Promise((resolve) => {
      const exchange = new Exchange(this.#dialogue, this.#offers, transaction, {
        used: this.#done > 0,
        reset: this.#open,
        ended: (result, left) => {
          this.#ended(left)
          resolve(result)
        },
      })
      exchange.begin()
    })
  }

  #ended(left: Left): void {
    this.#busy = false
    this.#done++
    this.#open = left.open
    if (left.taken) this.#taken++
  }

  get closed(): Promise<void> {
    return this.#dialogue.closed
  }

  quit(): Promise<void> {
    if (this.#busy) this.#dialogue.stop('We ended the connection')
    return this.#dialogue.quit()
  }

  destroy(): void {
    this.#dialogue.destroy()
  }

  /** What this server cannot take is not offered to it: no byte goes out. */
  #unfit(transaction: Transaction): TransactionResult | undefined {
    const { size: limit, eightBit, smtpUtf8 } = this.#offers
    const size = transaction.size + transaction.prefix.length
    const { host } = this.fact
    if (limit !== undefined && limit > 0 && size > limit)
      return refuse(
        transaction,
        'too large',
        `${host} takes ${limit} bytes, the message has ${size}`,
      )
    if (!smtpUtf8 && needsUtf8(transaction))
      return refuse(transaction, 'utf-8', `${host} does not take internationalized mail (SMTPUTF8)`)
    if (!eightBit && transaction.eightBit)
      return refuse(transaction, 'eight bit', `${host} does not take 8-bit content (8BITMIME)`)
    return undefined
  }

  /** The server ended it while nothing was under way. */
  #overBefore(transaction: Transaction): TransactionResult {
    const { loss, unasked } = this.#dialogue
    this.#dialogue.stop('The server spoke unasked')
    if (this.#done > 0) return { found: new Map(), later: [], connection: 'limit' }
    return lostBefore(transaction, unasked, loss?.text ?? 'The server spoke unasked')
  }
}

function needsUtf8(transaction: Transaction): boolean {
  const { smtpUtf8, sender, recipients } = transaction
  if (smtpUtf8 || (sender !== undefined && needsSmtpUtf8(sender))) return true
  return recipients.some((recipient) => needsSmtpUtf8(recipient.address))
}

function refuse(transaction: Transaction, unfit: Unfit, text: string): TransactionResult {
  return foundForAll(transaction, { kind: 'unfit', unfit, text }, 'ready')
}

// A fresh connection that ended before its first MAIL is trouble of the site.
function lostBefore(
  transaction: Transaction,
  unasked: Reply | undefined,
  text: string,
): TransactionResult {
  const found: Found =
    unasked === undefined
      ? { kind: 'loss', stage: 'hello', loss: { kind: 'closed', text } }
      : { kind: 'reply', stage: 'hello', reply: unasked }
  return foundForAll(transaction, found, 'lost')
}

function foundForAll(
  { recipients }: Transaction,
  found: Found,
  connection: TransactionResult['connection'],
): TransactionResult {
  return { found: new Map(recipients.map(({ n }) => [n, found])), later: [], connection }
}
