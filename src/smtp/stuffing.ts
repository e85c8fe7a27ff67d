// Transparency (RFC 5321 4.5.2): a line that begins with a dot gets another, and a lone dot
// ends the content. Content without such lines, which is nearly all, is never searched twice.

const DOT = 0x2e
const CR = 0x0d
const LF = 0x0a
const CRLF_DOT = Buffer.from('\r\n.')
const NOTHING = Buffer.alloc(0)

/** Prefix, content and final dot in one piece, ready to send. */
export function wrapContent(prefix: Buffer, content: Buffer): Buffer {
  const dots = new Dots()
  const body = dots.push(content)
  const end = content.length === 0 ? END : dots.end()
  return Buffer.concat([prefix, body, end], prefix.length + body.length + end.length)
}

const END = Buffer.from('.\r\n')
const LINE_END_AND_END = Buffer.from('\r\n.\r\n')

/** Stuffs content that comes in pieces. */
export class Dots {
  /** How much of "\r\n" ends what was pushed: 2 at the start of a line. */
  #ended: 0 | 1 | 2 = 2

  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return NOTHING
    const first = this.#firstDot(chunk)
    this.#ended = endOf(chunk, this.#ended)
    return first === -1 ? chunk : stuff(chunk, first)
  }

  /** What comes after the last piece: the final dot, on a line of its own. */
  end(): Buffer {
    return this.#ended === 2 ? END : LINE_END_AND_END
  }

  #firstDot(chunk: Buffer): number {
    if (this.#ended === 2 && chunk[0] === DOT) return 0
    if (this.#ended === 1 && chunk[0] === LF && chunk[1] === DOT) return 1
    const at = chunk.indexOf(CRLF_DOT)
    return at === -1 ? -1 : at + 2
  }
}

function endOf(chunk: Buffer, before: 0 | 1 | 2): 0 | 1 | 2 {
  const last = chunk[chunk.length - 1]
  if (last === CR) return 1
  if (last !== LF) return 0
  const previous = chunk.length > 1 ? chunk[chunk.length - 2] === CR : before === 1
  return previous ? 2 : 0
}

function stuff(chunk: Buffer, first: number): Buffer {
  const places = [first]
  for (;;) {
    const at = chunk.indexOf(CRLF_DOT, places.at(-1))
    if (at === -1) break
    places.push(at + 2)
  }
  const stuffed = Buffer.allocUnsafe(chunk.length + places.length)
  let from = 0
  let to = 0
  for (const place of places) {
    to += chunk.copy(stuffed, to, from, place)
    stuffed[to++] = DOT
    from = place
  }
  chunk.copy(stuffed, to, from)
  return stuffed
}
