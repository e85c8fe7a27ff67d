// One transaction on the wire: MAIL, RCPT for each recipient, DATA, content, dot. With PIPELINING
// the commands are one write and their replies are read in order; else each waits for the one
// before. Once the dot is written only its reply can say what became of the message. What the server
// said is handed up as it is: nothing is judged here.

import { classOf, formatReply } from '../../mail/reply.ts'
import type { Reply } from '../../mail/reply.ts'
import { mailCommand, rcptCommand } from './commands.ts'
import { ContentWriter } from './content-writer.ts'
import type { ContentEnds } from './content-writer.ts'
import type { Dialogue, Listener } from './dialogue.ts'
import type { Offers } from './hello.ts'
import type { Found, Loss, Transaction, TransactionResult } from '../connection.ts'
import { refusesNumber, saysTooMany } from '../decide/replies.ts'

type Step = 'reset' | 'mail' | 'rcpt' | 'data' | 'content' | 'dot' | 'over'

/** How a transaction left the connection. */
export interface Left {
  readonly taken: boolean
  /** The server may still hold our envelope, or we may have lost our place: RSET goes first. */
  readonly open: boolean
}

export interface Course {
  /** The connection has carried a transaction before. */
  readonly used: boolean
  readonly reset: boolean
  readonly ended: (result: TransactionResult, left: Left) => void
}

export class Exchange implements Listener, ContentEnds {
  readonly #dialogue: Dialogue
  readonly #offers: Offers
  readonly #transaction: Transaction
  readonly #course: Course
  #found = new Map<number, Found>()
  #later: number[] = []
  #width: number | undefined
  #accepted = 0
  #step: Step = 'mail'
  /** Index of the recipient whose reply is next. */
  #next = 0
  #open = false
  #taken = false
  readonly #writer: ContentWriter

  constructor(dialogue: Dialogue, offers: Offers, transaction: Transaction, course: Course) {
    this.#dialogue = dialogue
    this.#offers = offers
    this.#transaction = transaction
    this.#course = course
    this.#writer = new ContentWriter(dialogue, transaction, this)
  }

  begin(): void {
    this.#dialogue.listen(this)
    if (!this.#course.reset) return this.#sayEnvelope()
    this.#step = 'reset'
    this.#dialogue.say('RSET\r\n', 'reset')
  }

  heard(reply: Reply): void {
    if (reply.code === 421) return this.#heardClosing(reply)
    switch (this.#step) {
      case 'reset':
        return this.#heardReset(reply)
      case 'mail':
        return this.#heardMail(reply)
      case 'rcpt':
        return this.#heardRcpt(reply)
      case 'data':
        return this.#heardData(reply)
      case 'content':
        return this.#heardEarly(reply)
      case 'dot':
        return this.#heardDot(reply)
      case 'over':
        return
    }
  }

  lost(loss: Loss): void {
    const isClosed = loss.kind === 'closed' || loss.kind === 'failed'
    if (isClosed) return this.#heardEnd({ kind: 'loss', stage: this.#stage(), loss })
    this.#findRest({ kind: 'loss', stage: this.#stage(), loss })
    this.#end('lost')
  }

  drained(): void {
    this.#writer.drained()
  }

  #sayEnvelope(): void {
    this.#step = 'mail'
    let commands = mailCommand(this.#transaction, this.#offers)
    if (this.#offers.pipelining) {
      const { recipients, smtpUtf8 } = this.#transaction
      for (const one of recipients) commands += rcptCommand(one, this.#offers, smtpUtf8)
      commands += 'DATA\r\n'
    }
    this.#dialogue.say(commands, 'mail')
  }

  // RSET stands alone. Another reply than its own means that we have lost our place.
  #heardReset(reply: Reply): void {
    if (reply.code !== 250) return this.#endAtLimit()
    this.#sayEnvelope()
  }

  // What was sent along with a MAIL that is refused will be answered all the same.
  #heardMail(reply: Reply): void {
    this.#step = 'rcpt'
    this.#open = classOf(reply) === 'success'
    if (!this.#open) this.#findRest({ kind: 'reply', stage: 'mail', reply })
    if (this.#offers.pipelining) this.#dialogue.expect('rcpt')
    else if (this.#open) this.#sayRcpt()
    else this.#end('ready')
  }

  #sayRcpt(): void {
    const recipient = this.#transaction.recipients[this.#next]!
    this.#dialogue.say(rcptCommand(recipient, this.#offers, this.#transaction.smtpUtf8), 'rcpt')
  }

  #heardRcpt(reply: Reply): void {
    const { recipients } = this.#transaction
    if (this.#open) this.#findRcpt(recipients[this.#next]!.n, reply)
    this.#next++
    const all = this.#next === recipients.length
    if (all) this.#step = 'data'
    if (this.#offers.pipelining) this.#dialogue.expect(this.#step === 'data' ? 'data' : 'rcpt')
    else if (!all) this.#sayRcpt()
    else if (this.#accepted > 0) this.#dialogue.say('DATA\r\n', 'data')
    else this.#end('ready')
  }

  #findRcpt(n: number, reply: Reply): void {
    if (classOf(reply) === 'success') this.#accepted++
    else if (this.#accepted > 0 && saysTooMany(reply)) {
      // What a used connection has left is no measure of what a transaction may have.
      if (!this.#course.used) this.#width ??= this.#accepted
      this.#later.push(n)
    } else this.#found.set(n, { kind: 'reply', stage: 'rcpt', reply })
  }

  #heardData(reply: Reply): void {
    if (classOf(reply) === 'intermediate')
      return this.#accepted > 0 ? this.#sayContent() : this.#sayLoneDot()
    this.#findAccepted('data', reply)
    // "250" to DATA: whatever comes next, it is not what we would take it for.
    this.#end(classOf(reply) === 'success' ? 'lost' : 'ready')
  }

  // RFC 2920 3.1: DATA went out before we knew that nobody is left, and the server took it.
  #sayLoneDot(): void {
    this.#step = 'dot'
    this.#dialogue.say('.\r\n', 'dot')
  }

  #sayContent(): void {
    this.#step = 'content'
    this.#writer.begin()
  }

  contentEnds(last: Buffer): void {
    this.#step = 'dot'
    this.#dialogue.say(last, 'dot')
  }

  contentFailed(text: string): void {
    this.lost({ kind: 'stopped', text })
  }

  // The server has decided before it has seen the end. The rest of the content would be read as
  // commands, or our next command as content, so this is the last that it hears.
  #heardEarly(reply: Reply): void {
    this.#findAccepted('data', reply)
    this.#end('lost')
  }

  #heardDot(reply: Reply): void {
    if (this.#accepted === 0) return this.#end('ready')
    const kind = classOf(reply)
    const early = this.#dialogue.backlog > 0
    if (kind === 'intermediate' || (early && kind === 'success'))
      return this.#dialogue.giveUp(`The server said at the final dot: "${formatReply(reply)}"`)
    this.#taken = kind === 'success'
    this.#open = !this.#taken
    this.#findAccepted('dot', reply)
    this.#end(early ? 'lost' : 'ready')
  }

  /** 421 means that the server is about to close, whatever it was asked (RFC 5321 3.8). */
  #heardClosing(reply: Reply): void {
    this.#heardEnd({ kind: 'reply', stage: this.#stage(), reply })
  }

  // The server has left. On a connection that others used before, and where none of this transaction
  // was answered, that is a limit of the connection. Behind the answers to some recipients the others
  // go on at once: each time there are fewer of them. Else it may be this message that it left for.
  #heardEnd(found: Found): void {
    const answered = this.#found.size > 0
    if (this.#isBeforeContent()) {
      if (!answered && this.#course.used) return this.#endAtLimit()
      if (answered) this.#later = this.#unanswered()
    }
    this.#findRest(found)
    this.#end('lost')
  }

  #isBeforeContent(): boolean {
    return ['reset', 'mail', 'rcpt', 'data'].includes(this.#step)
  }

  // Where there were too many for one transaction, a refusal of all is about their number: those who
  // were accepted go on in a narrower one.
  #findAccepted(stage: 'data' | 'dot', reply: Reply): void {
    if (refusesNumber(reply) && this.#accepted > 1) {
      this.#width = this.#later.length > 0 ? this.#accepted : Math.floor(this.#accepted / 2)
      this.#later = this.#unanswered()
    }
    this.#findRest({ kind: 'reply', stage, reply })
  }

  /** Recipients without an answer of their own. */
  #unanswered(): number[] {
    return this.#transaction.recipients.map(({ n }) => n).filter((n) => !this.#found.has(n))
  }

  #stage(): 'mail' | 'rcpt' | 'data' | 'dot' {
    if (this.#step === 'content') return 'data'
    return this.#step === 'reset' || this.#step === 'over' ? 'mail' : this.#step
  }

  #findRest(found: Found): void {
    const later = this.#later.length === 0 ? undefined : new Set(this.#later)
    for (const { n } of this.#transaction.recipients)
      if (!this.#found.has(n) && later?.has(n) !== true) this.#found.set(n, found)
  }

  #endAtLimit(): void {
    this.#found = new Map()
    this.#later = []
    this.#end('limit')
  }

  #end(connection: TransactionResult['connection']): void {
    this.#step = 'over'
    this.#dialogue.listen(undefined)
    if (connection !== 'ready') this.#dialogue.stop('The connection can carry no more mail')
    this.#writer.stop()
    const width = this.#width === undefined ? {} : { width: this.#width }
    const result = { found: this.#found, later: this.#later, connection, ...width }
    this.#course.ended(result, { taken: this.#taken, open: this.#open })
  }
}
