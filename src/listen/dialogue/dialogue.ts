// The conversation with one client (RFC 5321 4): what each command does. When it may come is
// gates.ts's, what an answer counts for answers.ts's. Knows no socket: it speaks through a wire.

import type { Address } from '../../mail/address.ts'
import type { Verdict } from '../../submit/verdict.ts'
import type { Wire } from './wire.ts'
import { Content } from '../../submit/content.ts'
import { Message, type Reception } from '../../submit/message.ts'
import { objection, Submission } from '../../submit/submission.ts'
import { SMALL_CHUNK } from '../door/manners.ts'
import { parseChunk, parseMail, parseRcpt, withoutBlanks } from '../words/command.ts'
import { keywords, parseHello } from '../words/hello.ts'
import { helloReply, SAY, type ReplyLine } from '../words/reply.ts'
import { refusedReply } from '../words/verdict-reply.ts'
import { Answers } from './answers.ts'
import { Client, type ClientParts } from './client.ts'
import { gateOf, gateOfChunk, missingAt, type State } from './gates.ts'
import { Login, type LoginParts } from './login.ts'
import { Transfer } from './transfer.ts'

/** RFC 5321 4.5.3.1.4 asks for 512; parameters make it longer, and AUTH has its own limit. */
const LONGEST_COMMAND = 2048

export interface DialogueParts extends Reception, ClientParts, LoginParts {
  /** Where `<Postmaster>` goes (RFC 5321 4.5.1). */
  readonly postmaster: Address
  /** STARTTLS is offered, or TLS is there from the first byte. */
  readonly hasTls: () => boolean
}

export class Dialogue {
  readonly #parts: DialogueParts
  readonly #wire: Wire
  readonly #login: Login
  readonly #client: Client
  readonly #answers: Answers
  readonly #transfer: Transfer
  readonly #state: State
  #loggingIn = false
  #progress = 0

  constructor(parts: DialogueParts, wire: Wire) {
    this.#parts = parts
    this.#wire = wire
    const onFailure = (reply: ReplyLine): void => this.#answers.failedLogin(reply)
    this.#login = new Login(parts, wire, onFailure, (working) => (this.#loggingIn = working))
    this.#client = new Client(parts, wire, this.#login)
    this.#answers = new Answers(parts, wire, this.#client)
    this.#transfer = new Transfer(
      wire,
      () => parts.clock.now(),
      (command, verdict) => this.#finished(command, verdict),
      (reply) => this.#answers.idle(reply),
    )
    this.#state = {
      wire,
      transfer: this.#transfer,
      hasTls: parts.hasTls,
      hello: undefined,
      mail: undefined,
      refusedRecipients: false,
    }
  }

  /** The client waits for us. */
  get working(): boolean {
    return this.#loggingIn || this.#transfer.working
  }

  get greeted(): boolean {
    return this.#state.hello !== undefined
  }

  /** When the content of this message began, and how much of it has come. */
  get received(): { since: number; bytes: number } | undefined {
    return this.#transfer.progress
  }

  get inTransaction(): boolean {
    return this.#state.mail !== undefined
  }

  /** Grows with all that leads to mail. */
  get progress(): number {
    return this.#progress + (this.#client.user === undefined ? 0 : 1)
  }

  /** A rule lets this client send, as who it is so far. */
  get maySend(): boolean {
    return this.#client.maySend
  }

  /** No transaction, and nothing under way. */
  get idle(): boolean {
    return !this.inTransaction && !this.working && !this.#transfer.inChunk
  }

  /** The client is gone: what has not been accepted never will be. */
  abort(): void {
    this.#transfer.abort()
    this.#answers.end()
  }

  /** A line that cannot be read, which also ends an exchange that it belongs to. */
  badLine(why: 'too long' | 'bare line feed', text: string): void {
    // For commands alone: what ends content is the same for all.
    const { bareLfCommands } = this.#parts.policy().listen
    if (why === 'bare line feed' && bareLfCommands(this.#wire.client)) return this.line(text)
    const login = this.#login.open
    this.#login.cancel()
    if (!login && /^BDAT/i.test(text)) return this.#loseChunk(SAY.badChunk)
    if (why === 'bare line feed') this.#answers.wrong(SAY.bareLineFeed)
    else this.#answers.wrong(login ? SAY.loginTooLong : SAY.lineTooLong)
  }

  line(raw: string): void {
    if (this.#login.open) return this.#login.answer(raw)
    const text = withoutBlanks(raw)
    const space = text.indexOf(' ')
    const verb = (space === -1 ? text : text.slice(0, space)).toUpperCase()
    if (text.length > LONGEST_COMMAND && verb !== 'AUTH') return this.#tooLong(verb)
    const rest = space === -1 ? '' : text.slice(space + 1)
    if (this.#isOpen(verb, text, rest)) this.#obey(verb, text, rest)
  }

  #tooLong(verb: string): void {
    if (verb === 'BDAT') this.#loseChunk(SAY.badChunk)
    else this.#answers.wrong(SAY.lineTooLong)
  }

  content(piece: Buffer): void {
    this.#transfer.take(piece)
  }

  contentEnd(): void {
    this.#transfer.end()
  }

  /** May this command come now? If not, it has been said why. */
  #isOpen(verb: string, text: string, rest: string): boolean {
    const gate = gateOf(verb)
    if (gate === undefined) return true
    const missing = missingAt(gate, this.#state, rest)
    if (missing !== undefined) {
      this.#answers.wrong(missing)
      return false
    }
    const barred = gate.right === true ? this.#client.barred(this.#parts.policy()) : undefined
    if (barred === undefined) return true
    if (verb === 'RCPT') this.#state.refusedRecipients = true
    this.#answers.refused(verb === 'DATA' ? verb : text, barred, this.#state.mail)
    return false
  }

  #obey(verb: string, text: string, rest: string): void {
    switch (verb) {
      case 'MAIL':
        return this.#mailFrom(text)
      case 'RCPT':
        return this.#rcptTo(text, this.#state.mail!)
      case 'DATA':
        return this.#transfer.takeDots(this.#newContent(this.#state.mail!))
      case 'BDAT':
        return this.#bdat(rest)
      case 'EHLO':
      case 'HELO':
        return this.#greet(rest, verb === 'EHLO')
      case 'RSET':
        this.#reset()
        return this.#answers.idle(SAY.reset)
      case 'QUIT':
        return this.#wire.hangUp(SAY.bye)
      case 'STARTTLS':
        return this.#startTls()
      case 'AUTH':
        return this.#auth(rest)
      default:
        return this.#obeyMinor(verb, text)
    }
  }

  #obeyMinor(verb: string, text: string): void {
    switch (verb) {
      case 'NOOP':
        return this.#answers.idle(SAY.noop)
      case 'HELP':
        return this.#answers.idle(SAY.help)
      case 'VRFY':
        return this.#answers.idle(SAY.verify)
      case 'EXPN':
        return this.#answers.idle(SAY.noExpand)
      default:
        // A web page that makes a browser post to us must not get to its second line.
        if (/ HTTP\/\d\.\d$/.test(text)) return this.#wire.hangUp(SAY.noHttp)
        if (verb.startsWith('BDAT')) return this.#loseChunk(SAY.badChunk)
        return this.#answers.wrong(SAY.unknownCommand)
    }
  }

  #greet(name: string, extended: boolean): void {
    const hello = parseHello(name, extended)
    if (hello === undefined) return this.#answers.wrong(SAY.helloSyntax)
    this.#state.hello = hello
    this.#reset()
    this.#answers.idle(extended ? this.#offer() : helloReply([this.#parts.hostname]))
  }

  #offer(): ReplyLine {
    const { hostname, hasTls, policy } = this.#parts
    const startTls = !this.#wire.secure && hasTls()
    const login = this.#client.user === undefined && this.#login.allowed
    return helloReply([hostname, ...keywords(policy().listen.size, startTls, login)])
  }

  #reset(): void {
    this.#state.mail = undefined
    this.#transfer.reset()
    this.#state.refusedRecipients = false
  }

  #startTls(): void {
    this.#reset()
    this.#answers.good(SAY.startTls)
    this.#wire.startTls()
  }

  #auth(rest: string): void {
    const refused = this.#login.start(rest)
    if (refused !== undefined) this.#answers.wrong(refused)
  }

  #mailFrom(line: string): void {
    const command = parseMail(line)
    if (typeof command === 'string') return this.#answers.misread(line, command, undefined)
    const refusal = objection(this.#parts.policy(), this.#parts.queue, this.#client.user, command)
    if (refusal !== undefined) return this.#answers.refused(line, refusal, undefined)
    this.#state.refusedRecipients = false
    this.#state.mail = new Submission(command)
    this.#progress++
    this.#answers.good(SAY.senderOk)
  }

  #rcptTo(line: string, mail: Submission): void {
    const command = parseRcpt(line, mail.smtpUtf8, this.#parts.postmaster)
    if (typeof command === 'string') return this.#answers.misread(line, command, mail)
    const added = mail.add(this.#parts.policy(), command)
    if (added === 'known') return this.#answers.extra(SAY.recipientOk)
    if (added !== 'added') {
      if (added.about === 'route') this.#state.refusedRecipients = true
      return this.#answers.refusedExtra(line, added, mail)
    }
    this.#progress++
    this.#answers.good(SAY.recipientOk)
  }

  #bdat(rest: string): void {
    const chunk = parseChunk(rest)
    if (typeof chunk === 'string') return this.#loseChunk(chunk)
    if (!chunk.last && chunk.bytes < SMALL_CHUNK && this.#answers.smallChunk()) return
    const { mail } = this.#state
    const missing = this.#missingAtChunk()
    if (mail === undefined || missing !== undefined)
      this.#transfer.dropChunk(chunk, missing ?? SAY.senderFirst, mail !== undefined)
    else this.#transfer.takeChunk(chunk, () => this.#newContent(mail))
  }

  #missingAtChunk(): ReplyLine | undefined {
    const gate = gateOfChunk(this.#state)
    const missing = missingAt(gate, this.#state, '')
    if (missing !== undefined || gate.right !== true) return missing
    const barred = this.#client.barred(this.#parts.policy())
    return barred && refusedReply(barred)
  }

  // Content follows that nobody can measure, and it must never be read as commands.
  #loseChunk(reply: ReplyLine): void {
    this.#wire.hangUp(reply + SAY.chunkLost)
  }

  #newContent(mail: Submission): Content {
    const policy = this.#parts.policy()
    const { secure, tls } = this.#wire
    const submitter = this.#client.submitter(policy, this.#state.hello, mail)
    const message = new Message(this.#parts, policy, mail, submitter, secure ? tls : undefined)
    return new Content(message, () => this.#wire.releaseRoom())
  }

  #finished(command: string, verdict: Verdict): void {
    const { mail } = this.#state
    if (verdict.kind === 'accepted') {
      this.#progress++
      this.#reset()
      return this.#answers.accepted(verdict.id)
    }
    // After a failed chunk the transaction waits for RSET.
    if (!this.#transfer.chunked) this.#reset()
    this.#answers.refused(command, verdict.refusal, mail)
  }
}
