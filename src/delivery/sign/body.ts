// The body hash of DKIM under relaxed canonicalization (RFC 6376 3.4.4): runs of space and tab
// become one space, none stays at the end of a line, empty lines at the end go. No other
// character counts as white space. A body without text hashes as zero bytes.

import { createHash, hash } from 'node:crypto'

const TAB = 9
const LF = 10
const CR = 13
const MANY_BREAKS = Buffer.alloc(16_384, '\r\n')

/** The hash in base64 of a body that is in memory. */
export function hashBody(body: Buffer): string {
  // Most bodies stand in relaxed form already, but for empty lines at their end, and asking costs
  // far less than rewriting them.
  if (!isRelaxed(body)) return new BodyHash().update(body).digest()
  let end = body.length
  while (end > 2 && endsLine(body, end - 2)) end -= 2
  return hash('sha256', end === 2 ? body.subarray(0, 0) : body.subarray(0, end), 'base64')
}

// Two characters that cannot stand beside each other; asked this way it costs 1.7 µs for 4 KB,
// where searching the bytes for each pair costs 8.
const UNRELAXED = /[ \t][ \t\r]/

function isRelaxed(body: Buffer): boolean {
  if (body.length > 0 && !endsLine(body, body.length)) return false
  return body.indexOf(TAB) === -1 && !UNRELAXED.test(body.toString('latin1'))
}

function endsLine(body: Buffer, end: number): boolean {
  return end >= 2 && body[end - 1] === LF && body[end - 2] === CR
}

/** The same for a body that comes in chunks, cut anywhere; memory stays that of one chunk. */
export class BodyHash {
  readonly #hash = createHash('sha256')
  #empty = true
  // What means nothing until text follows it: ends of lines, and behind them a piece of one.
  #breaks = 0
  #piece = ''

  update(chunk: Buffer): this {
    const text = relax(this.#piece + chunk.toString('latin1'))
    const whole = text.length - pieceAtEnd(text)
    let end = whole
    while (end >= 2 && text.charCodeAt(end - 1) === LF && text.charCodeAt(end - 2) === CR) end -= 2
    if (end > 0) this.#add(text.slice(0, end))
    this.#breaks += (whole - end) / 2
    this.#piece = text.slice(whole)
    return this
  }

  digest(): string {
    if (this.#piece !== '' && this.#piece !== ' ') this.#add(this.#piece) // a bare CR is text
    if (!this.#empty) this.#hash.update('\r\n')
    return this.#hash.digest('base64')
  }

  #add(text: string): void {
    for (let rest = this.#breaks * 2; rest > 0; rest -= MANY_BREAKS.length)
      this.#hash.update(rest < MANY_BREAKS.length ? MANY_BREAKS.subarray(0, rest) : MANY_BREAKS)
    this.#hash.update(text, 'latin1')
    this.#breaks = 0
    this.#empty = false
  }
}

// In this order, so that a long run of spaces is looked at once and not once from each of them.
function relax(text: string): string {
  return text.replace(/[ \t]{2,}|\t/g, ' ').replaceAll(' \r\n', '\r\n')
}

/** How much at the end may still become the end of a line: a space, a CR, or both. */
function pieceAtEnd(text: string): number {
  if (text.endsWith(' ')) return 1
  if (!text.endsWith('\r')) return 0
  return text.endsWith(' \r') ? 2 : 1
}
