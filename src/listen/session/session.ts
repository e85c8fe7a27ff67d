// One client's connection: bytes in, replies out, deadlines and the end. Built on smtp-server's
// connection for its sockets, STARTTLS and closing; what is said is the dialogue's.

import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import type { Wire } from '../dialogue/wire.ts'
import type { Door } from '../door/door.ts'
import type { Tally } from '../door/tally.ts'
import type { Turns, Waiting } from '../door/turns.ts'
import { networkOf } from '../../base/network.ts'
import { Dialogue, type DialogueParts } from '../dialogue/dialogue.ts'
import { handshakeTrouble, leftAfterTls } from './handshake.ts'
import { HOLD, Input, type Reader } from './input.ts'
import { Patience, type Standing } from '../door/patience.ts'
import { SAY, type ReplyLine } from '../words/reply.ts'

/** Bytes of replies that may wait for a client to read them. */
export const UNREAD = 16 * 1024

/** How long somebody who is hung up on for what he did waits for it, in milliseconds. */
const PENANCE = 2000
/** How long he may take to read why. */
const LAST_WORD = 500

export interface SessionParts extends DialogueParts {
  readonly clock: Clock
  readonly door: Pick<Door, 'remember' | 'crowded'>
  readonly turns: Turns
  readonly tally: Tally
}

export class Session extends SMTPConnection implements Reader, Wire, Waiting {
  readonly #parts: SessionParts
  readonly #onGone: () => void
  #dialogue: Dialogue
  #out = ''
  /** Counts from the last reply: a client that drips bytes gains no time. */
  readonly #patience: Patience
  #cancelPenance: (() => void) | undefined
  #draining = false
  #gone = false
  /** Since TLS, where there is TLS. */
  #heardCommand = false
  #toldTrouble = false

  constructor(
    server: SMTPServer,
    socket: Socket,
    options: SMTPConnectionOptions,
    parts: SessionParts,
    onGone: () => void,
  ) {
    super(server, socket, options)
    this.#parts = parts
    this.#onGone = onGone
    this.#patience = new Patience(parts.clock.now())
    this.#dialogue = new Dialogue(parts, this)
  }

  // At once: smtp-server would wait 100 ms for early talkers, and look up the client's name.
  override init(): void {
    this.#reportChange('opened')
    this._setListeners(() => {
      this.say(`220 ${this.#parts.hostname} ESMTP Waypost\r\n`)
      this.turn(0)
    })
  }

  /** Hangs up when the client has let a deadline pass. */
  expire(now: number): void {
    if (this.#gone || this._closing || this.#cancelPenance !== undefined) return
    const { listen } = this.#parts.policy()
    if (this.#patience.isOver(now, this.#standing(), listen, this.#isInTheWay()))
      this.hangUp(SAY.tooSlow)
  }

  /** No new transaction: at once when idle, else when the one under way has ended. */
  drain(): void {
    this.#draining = true
    this.#hangUpWhenIdle()
  }

  /** At once, whatever is under way. */
  end(): void {
    if (!this._closing) this.hangUp(SAY.closing)
    this._socket.destroy()
  }

  // Wire: what the dialogue may ask for.

  get client(): string {
    return this.remoteAddress
  }

  get tls(): string | undefined {
    if (!(this._socket instanceof TLSSocket)) return undefined
    return `${this._socket.getProtocol() ?? 'TLS'} ${this._socket.getCipher().name}`
  }

  say(line: ReplyLine): void {
    this.#out += line
  }

  hangUp(line: ReplyLine): void {
    this.say(line)
    this.#flush()
    this.close()
    this.#dialogue.abort()
  }

  // Nothing is read meanwhile, so he neither costs anything nor is soon back in another's place.
  hangUpLate(line: ReplyLine): void {
    this.#flush()
    this.#input?.stop()
    this.#dialogue.abort()
    this.#cancelPenance ??= this.#parts.clock.after(PENANCE, () => {
      if (this.#gone) return
      this.hangUp(line)
      this.#onGone() // its place is free
      this._socket.pause()
      this.#cancelPenance = this.#parts.clock.after(LAST_WORD, () => this._socket.destroy())
    })
  }

  holdWork(): void {
    this.#input?.hold(HOLD.work)
  }

  releaseWork(): void {
    if (this.#input === undefined) this.turn(0)
    else this.#input.release(HOLD.work)
  }

  holdRoom(): void {
    this.#input?.hold(HOLD.room)
  }

  releaseRoom(): void {
    this.#input?.release(HOLD.room)
  }

  readDots(): void {
    this.#input?.readDots()
  }

  readCount(bytes: number): void {
    this.#input?.readCount(bytes)
  }

  startTls(): void {
    this.#flush()
    this.upgrade(() => {})
  }

  // Reader: what the input tells.

  line(text: string): void {
    this.#heardCommand = true
    this.#dialogue.line(text)
  }

  wrongLine(why: 'too long' | 'bare line feed', text: string): void {
    this.#dialogue.badLine(why, text)
  }

  get maySend(): boolean {
    return this.#dialogue.maySend
  }

  mayRead(): boolean {
    return this.#parts.turns.mayRead(this)
  }

  waitTurn(): void {
    this.#parts.turns.wait(this)
  }

  resume(): void {
    this.#input?.release(HOLD.turn)
  }

  content(piece: Buffer): void {
    this.#dialogue.content(piece)
  }

  contentEnd(): void {
    this.#dialogue.contentEnd()
  }

  turn(cost: number): void {
    if (cost > 0) this.#parts.turns.spend(cost)
    this.#flush()
    if (this.#draining) this.#hangUpWhenIdle()
  }

  /** The client has closed its side: what it was promised is still answered. */
  inputEnd(): void {
    this.#noteLeaving()
    this.#flush()
    this.close()
    this.#dialogue.abort()
  }

  // What smtp-server calls.

  override _createParser(): Input {
    return new Input(this) // called by the constructor before our fields exist
  }

  // Deadlines are one sweep for all sessions, not a timer for each.
  // Told the socket of a handshake, though: a client that closes within it is gone, and smtp-server
  // would keep its place until the deadline.
  override _armTimeout(handshake?: Socket): void {
    handshake?.once('end', () => {
      if (this._upgrading) handshake.destroy()
    })
  }

  // After STARTTLS: nothing that was said in clear counts any more (RFC 3207 4.2).
  override _resetSession(): void {
    this.#dialogue.abort()
    this.#dialogue = new Dialogue(this.#parts, this)
    this.#patience.said(this.#parts.clock.now())
    this.#heardCommand = false
  }

  override _onError(error: Error): void {
    this.#noteLeaving(error)
    this.close()
  }

  override _onClose(): void {
    if (!this.#gone) this.#noteLeaving()
    super._onClose()
    if (this.#gone) return
    this.#gone = true
    this.#cancelPenance?.()
    this.#parts.turns.leave(this)
    this.#dialogue.abort()
    this.#reportChange('closed')
    this.#onGone()
  }

  get #input(): Input | undefined {
    return this._parser === false ? undefined : (this._parser as Input)
  }

  #hangUpWhenIdle(): void {
    if (!this.#gone && !this._closing && this.#dialogue.idle) this.hangUp(SAY.closing)
  }

  #standing(): Standing {
    const { working, received, inTransaction, idle, greeted, progress } = this.#dialogue
    const resting = idle && greeted && this.#input?.partial !== true && !this._upgrading
    return { working, content: received, inTransaction, resting, progress }
  }

  // All replies of a turn in one write.
  #flush(): void {
    if (this.#out === '') return
    const text = this.#out
    this.#out = ''
    this.#patience.said(this.#parts.clock.now())
    const socket = this._socket
    if (this._upgrading || !socket.writable) return
    if (socket.write(text, 'latin1')) return
    // A client that does not read its replies is not read either.
    const input = this.#input
    input?.hold(HOLD.replies)
    socket.once('drain', () => input?.release(HOLD.replies))
  }

  #reportChange(change: 'opened' | 'closed'): void {
    const at = this.#parts.clock.now()
    this.#parts.report({ kind: 'connection', at, direction: 'in', change })
  }

  /** The client goes: when that is at TLS, people want to know why. */
  #noteLeaving(error?: Error): void {
    const early = this._upgrading || (this.secure && !this.#heardCommand)
    if (!early || this._closing || this.#toldTrouble) return
    this.#toldTrouble = true
    const { tally, clock, report } = this.#parts
    const { remoteAddress: client, _upgrading: upgrading } = this
    tally.add(networkOf(client), clock.now(), (times) => {
      const note = upgrading
        ? handshakeTrouble(client, error, times)
        : leftAfterTls(client, error, times)
      report({ kind: 'note', at: clock.now(), ...note })
    })
  }

  /** A stranger, where strangers have most of the places. */
  #isInTheWay(): boolean {
    return this.#parts.door.crowded && !this.#dialogue.maySend
  }
}
