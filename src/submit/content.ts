// Content on its way in: measured, its line ends made CRLF, and stored once its header has been
// judged. Small content is one piece of memory; larger content streams to storage while it comes.
// Whatever is wrong is kept until all of it has been sent.

import { isAscii } from 'node:buffer'
import type { ContentRef } from '../queue/port/types.ts'
import type { Head } from './header/head.ts'
import type { Message } from './message.ts'
import type { Refusal, Verdict } from './verdict.ts'
import { LineEnds } from '../smtp/line-ends.ts'
import { Flow } from './flow.ts'
import { compose } from './header/compose.ts'
import { readHead } from './header/head.ts'
import { REFUSAL } from './refusals.ts'

/** Up to here content stays in memory, and a header has to end. */
const SMALL = 256 * 1024
/** Pieces are joined when there are more, so that single bytes cost no more than many. */
const MOST_PIECES = 32

export class Content {
  readonly #message: Message
  readonly #onRoom: () => void
  readonly #lineEnds = new LineEnds()
  #pieces: Buffer[] = []
  #kept = 0
  #received = 0
  #eightBit = false
  #refusal: Refusal | undefined
  #flow: Flow | undefined
  #stored: Promise<ContentRef> | undefined

  /** `onRoom` is called when there is room again after `push` said no. */
  constructor(message: Message, onRoom: () => void) {
    this.#message = message
    this.#onRoom = onRoom
  }

  /** Nothing that still comes can save it. */
  get refused(): boolean {
    return this.#refusal !== undefined
  }

  /** False: storage is behind, wait for room. */
  push(chunk: Buffer): boolean {
    if (this.#refusal !== undefined) return true
    this.#received += chunk.length
    if (this.#received > this.#message.rules.size) return this.#refuse(REFUSAL.tooBig)
    const piece = this.#lineEnds.take(chunk)
    if (this.#hasWrongLineEnds()) return this.#refuse(REFUSAL.bareLineEnds)
    if (!this.#eightBit) this.#eightBit = !isAscii(piece)
    return this.#keep(piece)
  }

  /** All of it has come. Never rejects. */
  async finish(): Promise<Verdict> {
    const last = this.#refusal === undefined ? this.#lineEnds.end() : undefined
    if (last !== undefined) this.#keep(last)
    if (this.#hasWrongLineEnds()) this.#refuse(REFUSAL.bareLineEnds)
    try {
      const stored = await this.#store()
      if (stored === undefined) return this.#refused()
      return { kind: 'accepted', id: await this.#message.accept(stored, this.#eightBit) }
    } catch (error) {
      this.#fail(error)
      return this.#refused()
    }
  }

  /** The client is gone, or took too long. */
  abort(reason: string): void {
    this.#refusal ??= REFUSAL.failing
    this.#pieces = []
    this.#flow?.fail(new Error(reason))
  }

  #refused(): Verdict {
    return { kind: 'refused', refusal: this.#refusal ?? REFUSAL.failing }
  }

  #refuse(refusal: Refusal): true {
    this.#refusal ??= refusal
    this.#pieces = []
    this.#flow?.fail(new Error('The message was refused'))
    return true
  }

  #fail(error: unknown): void {
    // If it is refused already, we ended it ourselves, or have said so.
    this.#refusal ??= this.#message.failed(error)
  }

  #hasWrongLineEnds(): boolean {
    return this.#lineEnds.bare && this.#message.rules.bareLineEnds === 'refuse'
  }

  #keep(piece: Buffer): boolean {
    if (piece.length === 0) return true // a lone CR may be held back
    if (this.#flow !== undefined) return this.#flow.push(piece)
    this.#pieces.push(piece)
    this.#kept += piece.length
    if (this.#kept > SMALL) return this.#startFlow()
    if (this.#pieces.length > MOST_PIECES) this.#pieces = [Buffer.concat(this.#pieces)]
    return true
  }

  #startFlow(): boolean {
    const start = this.#join()
    const head = readHead(start)
    if (head.end === start.length) return this.#refuse(REFUSAL.headerTooBig)
    if (!this.#admits(head)) return true
    const flow = new Flow(this.#onRoom)
    this.#flow = flow
    this.#stored = this.#message.store(flow)
    // Told when the client has sent all; until then the rest is read and dropped.
    this.#stored.catch((error: unknown) => this.#fail(error))
    return flow.push(compose(head, start, this.#message.prefix(head)))
  }

  #store(): Promise<ContentRef> | undefined {
    if (this.#refusal !== undefined) return undefined
    if (this.#stored !== undefined) {
      this.#flow?.end()
      return this.#stored
    }
    const content = this.#join()
    const head = readHead(content)
    if (!this.#admits(head)) return undefined
    return this.#message.store(compose(head, content, this.#message.prefix(head)))
  }

  #admits(head: Head): boolean {
    const refusal = this.#message.objection(head)
    if (refusal !== undefined) this.#refuse(refusal)
    return refusal === undefined
  }

  #join(): Buffer {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }
}
