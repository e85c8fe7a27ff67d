// One dialogue with a server: what we say goes out in one write, what it says comes back as
// replies in order, and each phase has its deadline. When the connection is gone, whatever the
// reason, the listener hears of it exactly once, and nothing after it. What we end ourselves ends
// in order, and the server has a moment to end its side.

import type { Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import type { Reply } from '../../mail/reply.ts'
import { Deadline } from './deadline.ts'
import type { Loss } from '../connection.ts'
import { ReplyReader } from '../../smtp/reply-reader.ts'
import type { Phase, Timeouts } from './timeouts.ts'

/** How long a server may take to end its side after we have ended ours. */
const LINGER = 2000

/** Who hears the replies of the moment. */
export interface Listener {
  heard(reply: Reply): void
  lost(loss: Loss): void
  /** The server has taken what was written, and there is room for more. */
  drained?(): void
}

export class Dialogue {
  readonly #clock: Clock
  readonly #timeouts: Timeouts
  readonly #deadline: Deadline
  readonly #closed = Promise.withResolvers<void>()
  #socket: Socket
  #reader = this.#newReader()
  #listener: Listener | undefined
  #phase: Phase = 'greeting'
  #loss: Loss | undefined
  #unasked: Reply | undefined
  #hide: ((text: string) => string) | undefined
  /** In which phase the noise came that no reply has followed yet. */
  #noiseIn: Phase | undefined
  readonly #onData = (chunk: Buffer): void => this.#read(chunk)
  readonly #onDrain = (): void => this.#listener?.drained?.()
  readonly #onEnd = (): void => this.#lose('closed', 'The server closed the connection')
  readonly #onError = (error: NodeJS.ErrnoException): void =>
    this.#lose('failed', `The connection broke (${error.code ?? error.message})`)

  constructor(socket: Socket, clock: Clock, timeouts: Timeouts) {
    this.#socket = socket
    this.#clock = clock
    this.#timeouts = timeouts
    this.#deadline = new Deadline(clock, () => this.#late())
    this.#attach(socket)
  }

  get socket(): Socket {
    return this.#socket
  }

  /** Why it is over; `undefined` while it is not. */
  get loss(): Loss | undefined {
    return this.#loss
  }

  /** Resolves when the server has ended its side as well, or has had two seconds for it. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** What the server said when nothing was asked: 421 as a rule, or it has lost its way. */
  get unasked(): Reply | undefined {
    return this.#unasked
  }

  /** Nothing is left of what was written, and nothing has come that was not read. */
  get quiet(): boolean {
    const nothing = this.#reader.unread === undefined && this.#unasked === undefined
    return nothing && this.#loss === undefined
  }

  /** Bytes that wait to be sent. */
  get backlog(): number {
    return this.#socket.writableLength
  }

  /** From here on everything that the server says goes through this first. */
  hide(hide: (text: string) => string): void {
    this.#hide = hide
  }

  /** Who hears from here on; without a listener, what is said counts as unasked. */
  listen(listener: Listener | undefined): void {
    this.#listener = listener
    if (listener === undefined) this.#deadline.clear()
  }

  /** Begins a phase: an answer is due within its time. */
  expect(phase: Phase): void {
    this.#phase = phase
    this.#deadline.set(this.#timeouts[phase])
  }

  /** `false` when the caller should wait for `drained` before it writes more. */
  say(bytes: Buffer | string, phase: Phase): boolean {
    this.expect(phase)
    return this.#loss === undefined && this.#socket.write(bytes)
  }

  /** One command and its reply, or how the connection was lost. */
  ask(command: string, phase: Phase): Promise<Reply | Loss> {
    const reply = this.nextReply(phase)
    this.say(command, phase)
    return reply
  }

  /** The next reply without a command, or how the connection was lost. */
  nextReply(phase: Phase): Promise<Reply | Loss> {
    return new Promise((resolve) => {
      if (this.#loss !== undefined) return resolve(this.#loss)
      const answer = (said: Reply | Loss): void => {
        this.listen(undefined)
        resolve(said)
      }
      this.listen({ heard: answer, lost: answer })
      this.expect(phase)
    })
  }

  /** Gives the socket away for TLS; nothing is read from it here any more. */
  release(): Socket {
    const socket = this.#socket
    this.#detach(socket)
    this.listen(undefined)
    return socket
  }

  /** Goes on over this socket, with nothing of what was read before (RFC 3207 6). */
  resume(socket: Socket): void {
    this.#socket = socket
    this.#reader = this.#newReader()
    this.#attach(socket)
  }

  /** The server makes no sense: ends it now, and whoever listens hears of it. */
  giveUp(text: string): void {
    this.#lose('garbled', text)
  }

  /** Ends it now; whoever listens hears of it. */
  stop(text: string): void {
    this.#lose('stopped', text)
  }

  /**
   * QUIT where the server still listens, then the end; resolves as `closed` does. Our side ends behind QUIT,
   * and the reply is waited for all the same (RFC 5321 4.1.1.10): Exim keeps its 221 back until it sees the
   * end, or for 200 ms, and counts the connection as long.
   */
  async quit(): Promise<void> {
    if (this.quiet) {
      const asked = this.ask('QUIT\r\n', 'quit')
      this.#socket.end()
      await asked
    }
    this.stop('We ended the connection')
    await this.closed
  }

  /** Ends it, and waits for nobody. */
  destroy(): void {
    this.stop('We ended the connection')
    if (this.#socket.writableLength > 0) this.#socket.destroy()
    else this.#socket.destroySoon() // what says the end of TLS may still go out
  }

  #attach(socket: Socket): void {
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('error', this.#onError)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
  }

  #detach(socket: Socket): void {
    socket.off('data', this.#onData)
    socket.off('drain', this.#onDrain)
    socket.off('error', this.#onError)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onEnd)
  }

  #newReader(): ReplyReader {
    return new ReplyReader((reply, torn) => this.#heard(reply, torn))
  }

  #read(chunk: Buffer): void {
    const phase = this.#phase
    this.#reader.push(chunk)
    const { garbled, noise } = this.#reader
    if (garbled !== undefined) return this.#lose('garbled', `The server ${garbled}`)
    if (noise === undefined) return
    this.#noiseIn ??= phase
    // Who begins with something else is no mail server, and need not be waited for.
    if (phase === 'greeting' && this.#listener !== undefined)
      this.#lose('garbled', 'The server speaks no SMTP')
  }

  #heard(said: Reply, torn: string | undefined): void {
    if (this.#loss !== undefined) return
    const reply = this.#hide === undefined ? said : { ...said, text: this.#hide(said.text) }
    this.#noiseIn = undefined
    if (torn !== undefined && this.#phase === 'dot')
      return this.giveUp(`The server said yes and no after the final dot: ${torn}`)
    if (this.#listener === undefined) this.#unasked ??= reply
    else this.#listener.heard(reply)
  }

  #late(): void {
    const span = Math.round(this.#timeouts[this.#phase] / 1000)
    this.#lose('timeout', `No answer within ${span} s (${this.#phase})`)
  }

  #lose(kind: Loss['kind'], text: string): void {
    if (this.#loss !== undefined) return
    const { unread, garbled: given } = this.#reader
    const words = unread === undefined || given !== undefined ? '' : `; it sent ${unread}`
    // That was its answer to the dot, and all that will come.
    const garbled = this.#noiseIn === 'dot' && this.#phase === 'dot' && kind !== 'stopped'
    const told = this.#hide?.(text + words) ?? text + words
    this.#loss = { kind: garbled ? 'garbled' : kind, text: told }
    this.#deadline.close()
    this.#part(kind)
    const listener = this.#listener
    this.#listener = undefined
    listener?.lost(this.#loss)
  }
  // A server that is cut off logs it, and may count the connection for longer than one that ends in
  // order (with the alert of TLS, RFC 8446 6.1). Whom nothing reaches any more is not waited for.
  #part(kind: Loss['kind']): void {
    const socket = this.#socket
    const { resolve } = this.#closed
    this.#detach(socket)
    socket.on('error', () => {})
    if (kind === 'closed' || socket.destroyed) resolve()
    if (kind === 'failed' || kind === 'timeout' || socket.writableLength > 0) socket.destroy()
    if (socket.destroyed) return resolve()
    const cancel = this.#clock.after(LINGER, () => socket.destroy())
    socket.once('end', resolve)
    socket.once('close', () => {
      cancel()
      resolve()
    })
    socket.resume().end()
  }
}
