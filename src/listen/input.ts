// The bytes of a client as lines, content and chunks. Built on smtp-server's stream, whose
// parser costs more than the rest of a session: `write` is taken over, so that a chunk is read
// where it arrives, and everything in it is answered with one write.

import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { DotReader } from './dots.ts'

/** RFC 4954 4 asks for 12,288 octets in an AUTH exchange; the line end comes on top. */
export const LONGEST_LINE = 12_290

/** Why input waits. */
export const HOLD = { work: 1, room: 2, replies: 4 } as const
type Hold = (typeof HOLD)[keyof typeof HOLD]

/** Who is told what came. */
export interface Reader {
  /** A line without its CRLF, one character a byte. */
  line(text: string): void
  wrongLine(why: 'too long' | 'bare line feed'): void
  content(piece: Buffer): void
  contentEnd(): void
  /** All that can be read now has been. */
  turn(): void
  /** The client will send no more. */
  inputEnd(): void
}

export class Input extends SMTPStream {
  readonly #reader: Reader
  readonly #dots = new DotReader()
  readonly #take: (piece: Buffer) => void
  #mode: 'lines' | 'dots' | 'count' = 'lines'
  #count = 0
  #part = ''
  #skipping = false
  #held = 0
  #waiting: Buffer | undefined
  #full = false
  #ended = false

  constructor(reader: Reader) {
    super()
    this.#reader = reader
    this.#take = (piece) => reader.content(piece)
  }

  /** A command line has begun and not ended. */
  get partial(): boolean {
    return this.#part !== '' || this.#skipping
  }

  /** From here on content, until the final dot. */
  readDots(): void {
    this.#mode = 'dots'
  }

  /** From here on this many bytes of content. */
  readCount(bytes: number): void {
    if (bytes === 0) return this.#reader.contentEnd()
    this.#mode = 'count'
    this.#count = bytes
  }

  hold(why: Hold): void {
    this.#held |= why
  }

  release(why: Hold): void {
    if ((this.#held & why) === 0) return
    this.#held &= ~why
    if (this.#held === 0) this.#resume()
  }

  // `pipe` calls this and waits for `drain` when it returns false.
  override write(chunk: Uint8Array): boolean {
    if (this.isClosed) return true
    const bytes = chunk as Buffer
    if (this.#held !== 0) {
      this.#waiting = this.#waiting === undefined ? bytes : Buffer.concat([this.#waiting, bytes])
      this.#full = true
      return false
    }
    this.#read(bytes)
    if (this.#waiting === undefined) return true
    this.#full = true
    return false
  }

  override end(): this {
    this.#ended = true
    if (this.#held === 0 && !this.isClosed) this.#reader.inputEnd()
    return this
  }

  #resume(): void {
    const bytes = this.#waiting
    this.#waiting = undefined
    if (this.isClosed) return
    if (bytes === undefined) this.#reader.turn()
    else this.#read(bytes)
    if (this.#held !== 0 || this.isClosed) return
    if (this.#ended) this.#reader.inputEnd()
    else if (this.#full) {
      this.#full = false
      this.emit('drain')
    }
  }

  #read(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && this.#held === 0 && !this.isClosed) at = this.#step(chunk, at)
    if (at < chunk.length && !this.isClosed) this.#waiting = chunk.subarray(at)
    this.#reader.turn()
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#mode === 'lines') return this.#readLine(chunk, at)
    if (this.#mode === 'count') return this.#readPart(chunk, at)
    const end = this.#dots.feed(chunk, at, this.#take)
    if (end === -1) return chunk.length
    this.#mode = 'lines'
    this.#reader.contentEnd()
    return end
  }

  #readPart(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#count)
    this.#count -= end - at
    this.#take(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    if (this.#count > 0) return end
    this.#mode = 'lines'
    this.#reader.contentEnd()
    return end
  }

  #readLine(chunk: Buffer, at: number): number {
    const feed = chunk.indexOf(10, at)
    const end = feed === -1 ? chunk.length : feed
    if (this.#part.length + end - at > LONGEST_LINE) {
      this.#skipping = true
      this.#part = ''
    } else if (!this.#skipping) this.#part += chunk.toString('latin1', at, end)
    if (feed === -1) return end
    this.#endLine()
    return feed + 1
  }

  #endLine(): void {
    const line = this.#part
    this.#part = ''
    if (this.#skipping) {
      this.#skipping = false
      this.#reader.wrongLine('too long')
    } else if (line.endsWith('\r')) this.#reader.line(line.slice(0, -1))
    else this.#reader.wrongLine('bare line feed') // RFC 5321 2.3.8
  }
}
