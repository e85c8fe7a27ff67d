// The content of DATA as it comes off the wire: finds its end and takes away the dots that
// transparency added (RFC 5321 4.5.2). Only CRLF.CRLF ends content, wherever chunks are split.
// Behind a LF alone some clients double dots too (Python's smtplib) and others do not (curl): of two
// dots there one goes, and a single one stays.

const CR = 13
const LF = 10
const DOT = 46

// What the bytes so far ended with: anything, `\r`, `\r\n`, `\r\n.`, `\r\n.\r`, `\n` or `\n.`.
const PLAIN = 0
const AFTER_CR = 1
const LINE_START = 2
const AFTER_DOT = 3
const AFTER_DOT_CR = 4
const AFTER_LF = 5
const AFTER_LF_DOT = 6

const LINE_DOT = Buffer.from('\n.')

export class DotReader {
  #state = LINE_START // content may be empty: a dot at once
  #read = 0
  #write = 0

  /**
   * Gives the content in the chunk to `take`, in order. Returns where the bytes behind the final
   * dot begin, or -1 while it has not come. Dots are taken out in place: the chunk is overwritten.
   */
  feed(chunk: Buffer, from: number, take: (piece: Buffer) => void): number {
    this.#read = this.#write = from
    const ended = this.#readAll(chunk, take)
    if (this.#write > from) take(chunk.subarray(from, this.#write))
    if (!ended) return -1
    this.#state = LINE_START
    return this.#read
  }

  #readAll(chunk: Buffer, take: (piece: Buffer) => void): boolean {
    while (this.#read < chunk.length) {
      if (this.#state === PLAIN) this.#readPlain(chunk)
      else if (this.#readByte(chunk, take)) return true
    }
    return false
  }

  // Everything up to the next line that begins with a dot.
  #readPlain(chunk: Buffer): void {
    const found = chunk.indexOf(LINE_DOT, this.#read)
    const end = found === -1 ? chunk.length : found + 1
    if (chunk[end - 1] === CR) this.#state = AFTER_CR
    else if (chunk[end - 1] === LF)
      this.#state = end - this.#read > 1 && chunk[end - 2] === CR ? LINE_START : AFTER_LF
    if (this.#write !== this.#read) chunk.copyWithin(this.#write, this.#read, end)
    this.#write += end - this.#read
    this.#read = end
  }

  // One byte near a line's start; true when it ended the content.
  #readByte(chunk: Buffer, take: (piece: Buffer) => void): boolean {
    const byte = chunk[this.#read]!
    if (this.#state === LINE_START && byte === DOT) this.#state = AFTER_DOT
    else if (this.#state === AFTER_DOT && byte === CR) this.#state = AFTER_DOT_CR
    else if (this.#state === AFTER_DOT_CR) {
      if (byte === LF) return this.#read++ >= 0
      this.#returnCr(chunk, take)
      return false
    } else if (this.#state === AFTER_LF_DOT && byte === DOT) this.#state = PLAIN
    else this.#keep(chunk, byte)
    this.#read++
    return false
  }

  // `\r\n.\r` and no LF: the dot was an escape, and the CR that was held back is content.
  #returnCr(chunk: Buffer, take: (piece: Buffer) => void): void {
    this.#state = AFTER_CR
    if (this.#write < this.#read) chunk[this.#write++] = CR
    else take(Buffer.from('\r')) // it came with the chunk before
  }

  #keep(chunk: Buffer, byte: number): void {
    if (byte === CR) this.#state = AFTER_CR
    else if (byte === LF) this.#state = this.#state === AFTER_CR ? LINE_START : AFTER_LF
    else this.#state = this.#state === AFTER_LF && byte === DOT ? AFTER_LF_DOT : PLAIN
    chunk[this.#write++] = byte
  }
}
