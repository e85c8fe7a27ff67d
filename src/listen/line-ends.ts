// Makes every line end CRLF: a CR without its LF and a LF without its CR each become one. What
// is stored, measured and signed has passed here, so that no server downstream can read the
// same bytes as other lines than we did.

const CR = 13
const LF = 10

export class LineEnds {
  /** A CR or LF stood alone. */
  bare = false
  #afterCr = false

  /** The chunk itself when nothing is to change. */
  take(chunk: Buffer): Buffer {
    const at = this.#firstBare(chunk)
    if (at === -1) return chunk
    this.bare = true
    return this.#rewrite(chunk, at)
  }

  /** What is missing at the end of content. */
  end(): Buffer | undefined {
    if (!this.#afterCr) return undefined
    this.bare = true
    this.#afterCr = false
    return Buffer.from('\n')
  }

  // Where a byte is missing, or -1 and the state after this chunk.
  #firstBare(chunk: Buffer): number {
    const length = chunk.length
    let at = 0
    if (this.#afterCr && length > 0) {
      if (chunk[0] !== LF) return 0
      at = 1
    }
    for (; at < length; at++) {
      const byte = chunk[at]!
      if (byte > CR) continue
      if (byte === LF) return at
      if (byte !== CR) continue
      if (at + 1 === length) {
        this.#afterCr = true
        return -1
      }
      if (chunk[++at] !== LF) return at
    }
    if (length > 0) this.#afterCr = false
    return -1
  }

  #rewrite(chunk: Buffer, from: number): Buffer {
    const out = Buffer.allocUnsafe(from + 2 * (chunk.length - from) + 1)
    chunk.copy(out, 0, 0, from)
    let afterCr = from === 0 ? this.#afterCr : chunk[from - 1] === CR
    let size = from
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (afterCr && byte !== LF) out[size++] = LF
      if (!afterCr && byte === LF) out[size++] = CR
      out[size++] = byte
      afterCr = byte === CR
    }
    this.#afterCr = afterCr
    return out.subarray(0, size)
  }
}
