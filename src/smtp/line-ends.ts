// Makes CRLF the only line end, and a LF the only thing that ends a line: one without its CR is
// given it, CRs in front of it are one, and a CR anywhere else is a space. So a CR in a field can
// never begin another one, and a header that came in CR CR LF stays whole. What is stored, measured
// and signed has passed here, so that no server downstream can read the same bytes as other lines.

const CR = 13
const LF = 10
const SPACE = 32

export class LineEnds {
  /** A CR or LF stood alone. */
  bare = false
  /** A CR, or several, has come and is not passed on: what follows says what it is. */
  #held = false

  /** The chunk itself, or a part of it, when nothing is to change. */
  take(chunk: Buffer): Buffer {
    if (!this.#held) {
      const from = firstWrong(chunk, 0)
      return from === -1 ? chunk : this.#passWrong(chunk, from)
    }
    if (chunk.length === 0) return chunk
    return this.#rewrite(chunk, chunk[0] === LF ? firstWrong(chunk, 1) : 0)
  }

  /** What is missing at the end of content. */
  end(): Buffer | undefined {
    if (!this.#held) return undefined
    this.bare = true
    this.#held = false
    return Buffer.from('\r\n')
  }

  #passWrong(chunk: Buffer, from: number): Buffer {
    if (from + 1 < chunk.length || chunk[from] !== CR) return this.#rewrite(chunk, from)
    this.#held = true
    return chunk.subarray(0, from)
  }

  // From there on byte by byte; -1: all of it is sound, behind the CR that was held back.
  #rewrite(chunk: Buffer, from: number): Buffer {
    const sound = from === -1 ? chunk.length : from
    const out = Buffer.allocUnsafe(1 + sound + 2 * (chunk.length - sound))
    let size = 0
    if (this.#held && sound > 0) {
      out[size++] = CR
      this.#held = false
    }
    size += chunk.copy(out, size, 0, sound)
    for (let at = sound; at < chunk.length; at++) size = this.#put(out, size, chunk[at]!)
    return out.subarray(0, size)
  }

  #put(out: Buffer, size: number, byte: number): number {
    if (byte === CR) {
      this.bare ||= this.#held
      this.#held = true
      return size
    }
    if (byte === LF) {
      this.bare ||= !this.#held
      out[size++] = CR
    } else if (this.#held) {
      this.bare = true
      out[size++] = SPACE
    }
    this.#held = false
    out[size++] = byte
    return size
  }
}

/** Where a LF without CR, or a CR without LF in this chunk stands; -1: nowhere. */
function firstWrong(chunk: Buffer, from: number): number {
  const length = chunk.length
  for (let at = from; at < length; at++) {
    const byte = chunk[at]!
    if (byte > CR) continue
    if (byte === LF) return at
    if (byte === CR && chunk[++at] !== LF) return at - 1
  }
  return -1
}
