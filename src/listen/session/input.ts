// The bytes of a client as lines, content and chunks. Built on smtp-server's stream, whose
// parser costs more than the rest of a session: `write` is taken over, so that a chunk is read
// where it arrives, and everything in it is answered with one write; but never more than a few
// dozen lines before others have had their turn.

import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { DotReader } from '../../smtp/unstuffing.ts'

/** RFC 4954 4 asks for 12,288 octets in an AUTH exchange; the line end comes on top. */
export const LONGEST_LINE = 12_290

/** Lines that are read before the next session's turn. */
const SLICE = 50

/** Of a line that is too long: as much as tells which command it is. */
const BEGINNING = 16

/** Why input waits. */
export const HOLD = { work: 1, room: 2, replies: 4, turn: 8 } as const
type Hold = (typeof HOLD)[keyof typeof HOLD]

/** Who is told what came. */
export interface Reader {
  /** A line without its CRLF, one character a byte. */
  line(text: string): void
  /** The line without its line feed, or the beginning of one that is too long. */
  wrongLine(why: 'too long' | 'bare line feed', text: string): void
  content(piece: Buffer): void
  contentEnd(): void
  /** May it be read now? If not, HOLD.turn is released later. */
  mayRead(): boolean
  /** More has come than one turn takes: HOLD.turn is released later. */
  waitTurn(): void
  /** All that can be read now has been: so many lines, or kilobytes of content. */
  turn(cost: number): void
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
  /** The beginning of a line that is too long. */
  #skipping: string | undefined
  #held = 0
  #waiting: Buffer | undefined
  #full = false
  #ended = false
  #stopped = false

  constructor(reader: Reader) {
    super()
    this.#reader = reader
    this.#take = (piece) => reader.content(piece)
  }

  /** A command line has begun and not ended. */
  get partial(): boolean {
    return this.#part !== '' || this.#skipping !== undefined
  }

  /** Nothing is read any more, and what has come is dropped. */
  stop(): void {
    this.#stopped = true
    this.#waiting = undefined
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
    if (this.#stopped) return false
    const bytes = chunk as Buffer
    if (this.#held === 0 && !this.#reader.mayRead()) this.#held = HOLD.turn
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
    if (this.#held === 0 && !this.isClosed && !this.#stopped) this.#reader.inputEnd()
    return this
  }

  #resume(): void {
    const bytes = this.#waiting
    this.#waiting = undefined
    if (this.isClosed || this.#stopped) return
    if (bytes === undefined) this.#reader.turn(0)
    else this.#read(bytes)
    if (this.#held !== 0 || this.isClosed || this.#stopped) return
    if (this.#ended) this.#reader.inputEnd()
    else if (this.#full) {
      this.#full = false
      this.emit('drain')
    }
  }

  #read(chunk: Buffer): void {
    let at = 0
    let lines = 0
    while (at < chunk.length && this.#held === 0 && !this.isClosed && !this.#stopped) {
      if (this.#mode === 'lines' && ++lines > SLICE) {
        this.#held |= HOLD.turn
        this.#reader.waitTurn()
      } else at = this.#step(chunk, at)
    }
    if (at < chunk.length && !this.isClosed && !this.#stopped) this.#waiting = chunk.subarray(at)
    this.#reader.turn(lines + (at >> 10))
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
    if (this.#skipping === undefined) this.#part += chunk.toString('latin1', at, end)
    if (this.#part.length > LONGEST_LINE) {
      this.#skipping = this.#part.slice(0, BEGINNING)
      this.#part = ''
    }
    if (feed === -1) return end
    this.#endLine()
    return feed + 1
  }

  #endLine(): void {
    const line = this.#part
    const skipped = this.#skipping
    this.#part = ''
    this.#skipping = undefined
    if (skipped !== undefined) this.#reader.wrongLine('too long', skipped)
    else if (line.endsWith('\r')) this.#reader.line(line.slice(0, -1))
    else this.#reader.wrongLine('bare line feed', line) // RFC 5321 2.3.8
  }
}
