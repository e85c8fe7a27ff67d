// The content of one transaction on its way out, up to the final dot: in one write where it is small, else in
// pieces as fast as the server takes them. The dot itself is for whoever asked, who counts from there on.

import { Dots, wrapContent } from '../../smtp/stuffing.ts'
import type { Transaction } from '../connection.ts'
import type { Dialogue } from './dialogue.ts'

/** Bytes of in-memory content that go out in one write with their dot, and of a piece of more. */
const ONE_WRITE = 64 * 1024

/** Who asked for it. */
export interface ContentEnds {
  /** All but this is written: the last bytes, with the dot. */
  contentEnds(last: Buffer): void
  /** It will not be ended: a sentence for people. */
  contentFailed(text: string): void
}

export class ContentWriter {
  readonly #dialogue: Dialogue
  readonly #transaction: Transaction
  readonly #ends: ContentEnds
  #isStopped = false
  #wake: (() => void) | undefined

  constructor(dialogue: Dialogue, transaction: Transaction, ends: ContentEnds) {
    this.#dialogue = dialogue
    this.#transaction = transaction
    this.#ends = ends
  }

  begin(): void {
    const { prefix, content } = this.#transaction
    if (!Buffer.isBuffer(content) || content.length > ONE_WRITE) void this.#writePieces()
    else if (this.#mayEnd()) this.#ends.contentEnds(wrapContent(prefix, content))
  }

  /** The server has taken what was written. */
  drained(): void {
    this.#wake?.()
  }

  /** Nothing more is written. */
  stop(): void {
    this.#isStopped = true
    this.#wake?.()
  }

  async #writePieces(): Promise<void> {
    const { prefix, content } = this.#transaction
    const dots = new Dots()
    try {
      if (prefix.length > 0) this.#dialogue.say(prefix, 'block')
      for await (const piece of Buffer.isBuffer(content) ? slices(content) : content()) {
        if (this.#isStopped) return
        if (!this.#dialogue.say(dots.push(asBuffer(piece)), 'block')) await this.#room()
      }
    } catch {
      return this.#fail('The content could not be read to its end')
    }
    if (this.#mayEnd()) this.#ends.contentEnds(dots.end())
  }

  #mayEnd(): boolean {
    if (this.#isStopped) return false
    if (this.#transaction.mayEnd?.() !== false) return true
    this.#fail('Our right to send it ran out before the final dot')
    return false
  }

  #fail(text: string): void {
    if (!this.#isStopped) this.#ends.contentFailed(text)
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (this.#isStopped) resolve()
    })
  }
}

function* slices(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += ONE_WRITE) yield content.subarray(at, at + ONE_WRITE)
}

function asBuffer(piece: Uint8Array): Buffer {
  return Buffer.isBuffer(piece)
    ? piece
    : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}
