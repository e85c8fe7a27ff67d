// Content on its way in one session, by DATA until the dot or by BDAT in chunks (RFC 3030): whose
// bytes these are, since when they come, and when all of it is there. What comes for nothing is
// read and dropped, and never taken for commands.

import type { Content } from '../../submit/content.ts'
import type { Verdict } from '../../submit/verdict.ts'
import type { Chunk } from '../words/command.ts'
import type { ReplyLine } from '../words/reply.ts'
import type { Wire } from './wire.ts'
import { SAY } from '../words/reply.ts'

/** What a transfer asks of the connection. */
type TransferWire = Pick<
  Wire,
  'say' | 'holdWork' | 'releaseWork' | 'holdRoom' | 'readDots' | 'readCount'
>

type End = (command: 'DATA' | 'BDAT', verdict: Verdict) => void
type Dropped = (reply: ReplyLine) => void

export class Transfer {
  readonly #wire: TransferWire
  readonly #now: () => number
  readonly #onEnd: End
  readonly #onDropped: Dropped
  #content: Content | undefined
  #chunk: Chunk | undefined
  /** What is said of the chunk that is read and dropped. */
  #dropped: ReplyLine | undefined
  #chunked = false
  #since: number | undefined
  #bytes = 0
  #working = false

  constructor(wire: TransferWire, now: () => number, onEnd: End, onDropped: Dropped) {
    this.#wire = wire
    this.#now = now
    this.#onEnd = onEnd
    this.#onDropped = onDropped
  }

  /** The client has sent all and waits for us. */
  get working(): boolean {
    return this.#working
  }

  /** When the content of this message began, and how much of it has come. */
  get progress(): { since: number; bytes: number } | undefined {
    return this.#since === undefined ? undefined : { since: this.#since, bytes: this.#bytes }
  }

  /** A chunk was announced, and is not whole. */
  get inChunk(): boolean {
    return this.#chunk !== undefined
  }

  /** This transaction has had a BDAT: it knows no DATA and no further recipient. */
  get chunked(): boolean {
    return this.#chunked
  }

  /** A chunk was refused: those behind it are too, until RSET (RFC 3030 2). */
  get failed(): boolean {
    return this.#chunked && this.#content === undefined
  }

  takeDots(content: Content): void {
    this.#content = content
    this.#since = this.#now()
    this.#bytes = 0
    this.#wire.say(SAY.startContent)
    this.#wire.readDots()
  }

  takeChunk(chunk: Chunk, start: () => Content): void {
    this.#chunked = true
    this.#content ??= start()
    this.#readChunk(chunk, undefined)
  }

  /** Reads the chunk for nothing, and says this then. */
  dropChunk(chunk: Chunk, reply: ReplyLine, inTransaction: boolean): void {
    this.#chunked = inTransaction
    this.#readChunk(chunk, reply)
  }

  take(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#dropped !== undefined || this.#content === undefined) return
    if (!this.#content.push(piece)) this.#wire.holdRoom()
  }

  /** The dot has come, or the last byte of the chunk. */
  end(): void {
    const chunk = this.#chunk
    const dropped = this.#dropped
    this.#chunk = undefined
    this.#dropped = undefined
    if (dropped !== undefined) {
      this.#since = undefined
      return this.#onDropped(dropped)
    }
    if (chunk === undefined || chunk.last) return this.#finish()
    if (this.#content?.refused !== true)
      return this.#wire.say(`250 2.0.0 ${chunk.bytes} octets received\r\n`)
    // What is wrong is said at once, and what the client still sends of it is dropped.
    this.#finish()
  }

  reset(): void {
    this.#content?.abort('The client reset the transaction')
    this.#content = undefined
    this.#since = undefined
    this.#chunked = false
  }

  /** The client is gone: what has not been accepted never will be. */
  abort(): void {
    if (!this.#working) this.#content?.abort('The client went away')
    this.#content = undefined
  }

  #readChunk(chunk: Chunk, dropped: ReplyLine | undefined): void {
    this.#chunk = chunk
    this.#dropped = dropped
    // A client that keeps a failed transaction sending is timed like any other.
    if (this.#since === undefined) {
      this.#since = this.#now()
      this.#bytes = 0
    }
    this.#wire.readCount(chunk.bytes)
  }

  #finish(): void {
    this.#working = true
    this.#wire.holdWork()
    void this.#content!.finish().then((verdict) => this.#finished(verdict))
  }

  #finished(verdict: Verdict): void {
    this.#working = false
    this.#content = undefined
    this.#since = undefined
    this.#onEnd(this.#chunked ? 'BDAT' : 'DATA', verdict)
    this.#wire.releaseWork()
  }
}
