// The conversation with one client (RFC 5321 4): which command may come when, what each does,
// and what is answered. Knows no socket: it speaks through a wire.

import type { Submitter } from '../../mail/envelope.ts'
import type { At, Policy } from '../../policy/policy.ts'
import type { Refusal, Verdict } from '../../submit/verdict.ts'
import type { Hello } from '../words/hello.ts'
import type { ListenParts } from '../parts.ts'
import type { ReplyLine } from '../words/reply.ts'
import { Admission } from '../../submit/admission.ts'
import { Content } from '../../submit/content.ts'
import { refusedEvent } from '../../submit/events.ts'
import { Message } from '../../submit/message.ts'
import { REFUSAL } from '../../submit/refusals.ts'
import { objection, Submission } from '../../submit/submission.ts'
import { parseMail, parseRcpt } from '../words/command.ts'
import { Login } from './login.ts'
import { Manners, SMALL_CHUNK } from '../door/manners.ts'
import { keywords, parseHello, protocolName } from '../words/hello.ts'
import { Refusals } from './refusals.ts'
import { helloReply, SAY, textOf } from '../words/reply.ts'
import { Transfer } from './transfer.ts'
import { acceptedReply, refusedReply } from '../words/verdict-reply.ts'

/** What a conversation needs of its connection. */
export interface Wire {
  readonly client: string
  readonly secure: boolean
  readonly tls: string | undefined
  say(line: ReplyLine): void
  /** The last word: nothing is read any more. */
  hangUp(line: ReplyLine): void
  /** The same, said after a while: who was hung up on is not back at once. */
  hangUpLate(line: ReplyLine): void
  /** Nothing more is read until the work is done, or there is room for content. */
  holdWork(): void
  releaseWork(): void
  holdRoom(): void
  releaseRoom(): void
  /** Content comes next: until the final dot, or this many bytes. */
  readDots(): void
  readCount(bytes: number): void
  startTls(): void
}

/** RFC 5321 4.5.3.1.4 asks for 512; parameters make it longer, and AUTH has its own limit. */
const LONGEST_COMMAND = 2048

export class Dialogue {
  readonly #parts: ListenParts
  readonly #wire: Wire
  readonly #login: Login
  readonly #admission: Admission
  readonly #transfer: Transfer
  readonly #manners = new Manners()
  readonly #refusals: Refusals
  #hello: Hello | undefined
  #mail: Submission | undefined
  #refusedRecipients = false
  #loggingIn = false
  #progress = 0

  constructor(parts: ListenParts, wire: Wire) {
    this.#parts = parts
    this.#wire = wire
    this.#login = new Login(parts, wire, (working) => (this.#loggingIn = working))
    this.#admission = new Admission({
      client: wire.client,
      loopback: parts.loopback,
      usersOnly: parts.scheme !== 'smtp',
    })
    this.#refusals = new Refusals(parts.report)
    this.#transfer = new Transfer(
      wire,
      () => parts.clock.now(),
      (command, verdict) => this.#finished(command, verdict),
      (reply) => this.#sayIdle(reply),
    )
  }

  /** The client waits for us. */
  get working(): boolean {
    return this.#loggingIn || this.#transfer.working
  }

  get greeted(): boolean {
    return this.#hello !== undefined
  }

  /** When the content of this message began, and how much of it has come. */
  get received(): { since: number; bytes: number } | undefined {
    return this.#transfer.progress
  }

  get inTransaction(): boolean {
    return this.#mail !== undefined
  }

  /** Grows with all that leads to mail. */
  get progress(): number {
    return this.#progress + (this.#login.user === undefined ? 0 : 1)
  }

  /** A rule lets this client send, as who it is so far. */
  get maySend(): boolean {
    return this.#barred(this.#parts.policy()) === undefined
  }

  /** No transaction, and nothing under way. */
  get idle(): boolean {
    return this.#mail === undefined && !this.working && !this.#transfer.inChunk
  }

  /** The client is gone: what has not been accepted never will be. */
  abort(): void {
    this.#transfer.abort()
    this.#refusals.flush()
  }

  wrong(reply: ReplyLine): void {
    if (this.#manners.mistake()) this.#wire.hangUpLate(SAY.tooManyErrors)
    else this.#wire.say(reply)
  }

  // For what is right and brings no mail.
  #sayIdle(reply: ReplyLine): void {
    if (this.#manners.idle(this.maySend)) this.#wire.hangUpLate(SAY.tooManyCommands)
    else this.#wire.say(reply)
  }

  /** A line that cannot be read, which also ends an exchange that it belongs to. */
  badLine(why: 'too long' | 'bare line feed', text: string): void {
    if (why === 'bare line feed' && this.#mayEndLinesWithLf()) return this.line(text)
    const login = this.#login.open
    this.#login.cancel()
    if (!login && /^BDAT/i.test(text)) return this.#loseChunk(SAY.badChunk)
    if (why === 'bare line feed') this.wrong(SAY.bareLineFeed)
    else this.wrong(login ? SAY.loginTooLong : SAY.lineTooLong)
  }

  // Of commands alone: what ends content is the same for all.
  #mayEndLinesWithLf(): boolean {
    return this.#parts.policy().listen.bareLfCommands(this.#wire.client)
  }

  line(raw: string): void {
    if (this.#login.open) return this.#login.answer(raw)
    const text = withoutBlanks(raw)
    const space = text.indexOf(' ')
    const verb = (space === -1 ? text : text.slice(0, space)).toUpperCase()
    if (text.length > LONGEST_COMMAND && verb !== 'AUTH') return this.#tooLong(verb)
    this.#obey(verb, text, space === -1 ? '' : text.slice(space + 1))
  }

  #tooLong(verb: string): void {
    if (verb === 'BDAT') this.#loseChunk(SAY.badChunk)
    else this.wrong(SAY.lineTooLong)
  }

  content(piece: Buffer): void {
    this.#transfer.take(piece)
  }

  contentEnd(): void {
    this.#transfer.end()
  }

  #obey(verb: string, text: string, rest: string): void {
    switch (verb) {
      case 'MAIL':
        return this.#mailFrom(text)
      case 'RCPT':
        return this.#rcptTo(text)
      case 'DATA':
        return rest === '' ? this.#data() : this.wrong(SAY.badArguments)
      case 'BDAT':
        return this.#bdat(rest)
      case 'EHLO':
      case 'HELO':
        return this.#greet(rest, verb === 'EHLO')
      case 'RSET':
        if (rest !== '') return this.wrong(SAY.badArguments)
        this.#reset()
        return this.#sayIdle(SAY.reset)
      case 'QUIT':
        return rest === '' ? this.#wire.hangUp(SAY.bye) : this.wrong(SAY.badArguments)
      case 'STARTTLS':
        return this.#startTls(rest)
      case 'AUTH':
        return this.#auth(rest)
      default:
        return this.#obeyMinor(verb, text, rest)
    }
  }

  #obeyMinor(verb: string, text: string, rest: string): void {
    switch (verb) {
      case 'NOOP':
        return this.#sayIdle(SAY.noop)
      case 'HELP':
        return this.#sayIdle(SAY.help)
      case 'VRFY':
        return rest === '' ? this.wrong(SAY.badArguments) : this.#sayIdle(SAY.verify)
      case 'EXPN':
        return this.#sayIdle(SAY.noExpand)
      default:
        // A web page that makes a browser post to us must not get to its second line.
        if (/ HTTP\/\d\.\d$/.test(text)) return this.#wire.hangUp(SAY.noHttp)
        if (verb.startsWith('BDAT')) return this.#loseChunk(SAY.badChunk)
        return this.wrong(SAY.unknownCommand)
    }
  }

  #greet(name: string, extended: boolean): void {
    const hello = parseHello(name, extended)
    if (hello === undefined) return this.wrong(SAY.helloSyntax)
    this.#hello = hello
    this.#reset()
    this.#sayIdle(extended ? this.#offer() : helloReply([this.#parts.hostname]))
  }

  #offer(): ReplyLine {
    const { hostname, hasTls, policy } = this.#parts
    const startTls = !this.#wire.secure && hasTls()
    const login = this.#login.user === undefined && this.#login.allowed
    return helloReply([hostname, ...keywords(policy().listen.size, startTls, login)])
  }

  #reset(): void {
    this.#mail = undefined
    this.#transfer.reset()
    this.#refusedRecipients = false
  }

  #startTls(rest: string): void {
    if (rest !== '') return this.wrong(SAY.badArguments)
    if (this.#wire.secure) return this.wrong(SAY.tlsActive)
    if (!this.#parts.hasTls()) return this.wrong(SAY.noTls)
    this.#reset()
    this.#wire.say(SAY.startTls)
    this.#wire.startTls()
  }

  #auth(rest: string): void {
    if (this.#hello === undefined) return this.wrong(SAY.helloFirst)
    if (this.#mail !== undefined) return this.wrong(SAY.loginInTransaction)
    const refused = this.#login.start(rest)
    if (refused !== undefined) this.wrong(refused)
  }

  #mailFrom(line: string): void {
    if (this.#hello === undefined) return this.wrong(SAY.helloFirst)
    if (this.#mail !== undefined) return this.wrong(SAY.senderTwice)
    const policy = this.#parts.policy()
    const barred = this.#barred(policy)
    if (barred !== undefined) return this.#refuse(line, barred)
    const command = parseMail(line)
    if (typeof command === 'string') return this.#misread(line, command)
    const refusal = objection(policy, this.#parts.queue, this.#login.user, command)
    if (refusal !== undefined) return this.#refuse(line, refusal)
    this.#refusedRecipients = false
    this.#mail = new Submission(command)
    this.#progress++
    this.#wire.say(SAY.senderOk)
  }

  #rcptTo(line: string): void {
    const mail = this.#mail
    if (mail === undefined) return this.wrong(SAY.senderFirst)
    if (this.#transfer.chunked) return this.wrong(SAY.outOfOrder)
    const policy = this.#parts.policy()
    const barred = this.#barred(policy) // it may have changed since MAIL
    if (barred !== undefined) return this.#refuseRecipient(line, barred)
    const command = parseRcpt(line, mail.smtpUtf8, this.#parts.postmaster)
    if (typeof command === 'string') return this.#misread(line, command)
    const added = mail.add(policy, command)
    if (added === 'known') return this.#sayExtra(SAY.recipientOk)
    if (added !== 'added') return this.#refuseExtra(line, added)
    this.#progress++
    this.#wire.say(SAY.recipientOk)
  }

  // A list may have many of these, and the message behind it is wanted.
  #refuseExtra(line: string, refusal: Refusal): void {
    if (refusal.about === 'route') this.#refusedRecipients = true
    const reply = refusedReply(refusal)
    this.#report(line, reply, refusal.rule)
    this.#sayExtra(reply)
  }

  #sayExtra(reply: ReplyLine): void {
    if (this.#manners.extraRecipient(this.#parts.policy().listen.recipients))
      this.#wire.hangUpLate(SAY.tooManyCommands)
    else this.#wire.say(reply)
  }

  #data(): void {
    const mail = this.#mail
    if (mail === undefined) return this.wrong(SAY.senderFirst)
    if (this.#transfer.chunked) return this.wrong(SAY.mixedContent)
    if (mail.recipients.length === 0) return this.wrong(this.#noRecipients())
    const barred = this.#barred(this.#parts.policy()) // it may have changed since RCPT
    if (barred !== undefined) return this.#refuse('DATA', barred)
    this.#transfer.takeDots(this.#newContent(mail))
  }

  #bdat(rest: string): void {
    const match = /^ *(\d{1,15})(?: +(LAST))?$/i.exec(rest)
    if (match === null)
      return this.#loseChunk(/^\d{16,}/.test(rest) ? refusedReply(REFUSAL.tooBig) : SAY.badChunk)
    const chunk = { bytes: Number(match[1]), last: match[2] !== undefined }
    if (!chunk.last && chunk.bytes < SMALL_CHUNK && this.#manners.smallChunk())
      return this.#wire.hangUpLate(SAY.tooManyCommands)
    const mail = this.#mail
    const refused = this.#chunkRefusal(mail)
    if (mail === undefined || refused !== undefined)
      this.#transfer.dropChunk(chunk, refused ?? SAY.senderFirst, mail !== undefined)
    else this.#transfer.takeChunk(chunk, () => this.#newContent(mail))
  }

  // Content follows that nobody can measure, and it must never be read as commands.
  #loseChunk(reply: ReplyLine): void {
    this.#wire.hangUp(reply + SAY.chunkLost)
  }

  #chunkRefusal(mail: Submission | undefined): ReplyLine | undefined {
    if (mail === undefined) return SAY.senderFirst
    if (this.#transfer.failed) return SAY.outOfOrder
    if (mail.recipients.length === 0) return this.#noRecipients()
    const barred = this.#transfer.chunked ? undefined : this.#barred(this.#parts.policy())
    return barred && refusedReply(barred)
  }

  #noRecipients(): ReplyLine {
    return this.#refusedRecipients ? SAY.noRecipients : SAY.recipientFirst
  }

  #newContent(mail: Submission): Content {
    const policy = this.#parts.policy()
    const { secure, tls } = this.#wire
    const submitter = this.#submitter(mail, this.#admission.verdict(policy, this.#login.user).at)
    const message = new Message(this.#parts, policy, mail, submitter, secure ? tls : undefined)
    return new Content(message, () => this.#wire.releaseRoom())
  }

  #submitter(mail: Submission, rule: At): Submitter {
    const { client, secure } = this.#wire
    const { name: hello = '', extended = false } = this.#hello ?? {}
    const { user } = this.#login
    const protocol = protocolName(extended, mail.smtpUtf8, secure, user !== undefined)
    const submitter = { client, hello, protocol, rule }
    return user === undefined ? submitter : { ...submitter, user }
  }

  /** Why nothing is taken of this client, as who it is so far. */
  #barred(policy: Policy): Refusal | undefined {
    if (this.#parts.scheme !== 'smtp' && !this.#wire.secure) return TLS_FIRST
    return this.#admission.refusal(policy, this.#login.stillUser(policy))
  }

  #finished(command: string, verdict: Verdict): void {
    if (verdict.kind === 'accepted') {
      this.#manners.forgive()
      this.#refusals.flush()
      this.#progress++
      this.#reset()
      this.#wire.say(acceptedReply(verdict.id))
    } else {
      // After a failed chunk the transaction waits for RSET.
      const mail = this.#mail
      if (!this.#transfer.chunked) this.#reset()
      this.#refuse(command, verdict.refusal, mail)
    }
  }

  #misread(line: string, reply: ReplyLine): void {
    this.#report(line, reply)
    this.wrong(reply)
  }

  #refuseRecipient(line: string, refusal: Refusal): void {
    this.#refusedRecipients = true
    this.#refuse(line, refusal)
  }

  #refuse(command: string, refusal: Refusal, mail = this.#mail): void {
    const reply = refusedReply(refusal)
    this.#report(command, reply, refusal.rule, mail)
    // Storage is not the client's mistake.
    if (refusal.about === 'space' || refusal.about === 'storage') this.#sayIdle(reply)
    else this.wrong(reply)
  }

  #report(command: string, line: ReplyLine, rule?: At, mail = this.#mail): void {
    const at = this.#parts.clock.now()
    const { client } = this.#wire
    const { user } = this.#login
    this.#refusals.add(refusedEvent({ at, client, user, command, reply: textOf(line), rule }, mail))
  }
}

/** What submission demands of a connection before anything else. */
const TLS_FIRST: Refusal = { about: 'tls', status: '5.7.0', text: 'Say STARTTLS first' }

// Not `trimEnd`: a byte of a UTF-8 letter may look like a blank.
function withoutBlanks(line: string): string {
  let end = line.length
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--
  return end === line.length ? line : line.slice(0, end)
}
