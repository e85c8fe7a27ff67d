// Reads SMTP replies (RFC 5321 4.2) out of the bytes that a server sends, however they are
// split. Strangers write them: at most 100 lines and 8 KB of a reply are kept, 2 KB of a line,
// and one that is no reply, or has no end within 64 KB, is told apart as garbled.

import type { Reply } from '../mail/reply.ts'

const LINES = 100
const KEPT = 8 * 1024
const LINE = 2 * 1024
const ENDLESS = 64 * 1024

const LF = 10
const CR = 13
const SPACE = 32
const HYPHEN = 45

export class ReplyReader {
  readonly #each: (reply: Reply) => void
  /** The bytes of a line that has not ended, at most `LINE` of them. */
  #rest: Buffer | undefined
  /** Lines of a reply that has not ended. */
  #lines: string[] = []
  #code = 0
  #kept = 0
  /** Bytes of the reply so far, kept or not. */
  #seen = 0
  #garbled: string | undefined

  constructor(each: (reply: Reply) => void) {
    this.#each = each
  }

  /** A reply has begun and not ended. */
  get partial(): boolean {
    return this.#rest !== undefined || this.#lines.length > 0
  }

  /** What was wrong with the bytes so far; from then on nothing is read. */
  get garbled(): string | undefined {
    return this.#garbled
  }

  push(chunk: Buffer): void {
    let start = 0
    while (this.#garbled === undefined) {
      const end = chunk.indexOf(LF, start)
      if (end === -1) break
      this.#seen += end + 1 - start
      this.#endLine(chunk, start, end)
      start = end + 1
    }
    if (this.#garbled === undefined && start < chunk.length) this.#keepRest(chunk, start)
  }

  #keepRest(chunk: Buffer, start: number): void {
    this.#seen += chunk.length - start
    if (this.#seen > ENDLESS) return this.#give('sent a reply without an end')
    const room = LINE - (this.#rest?.length ?? 0)
    const more = chunk.subarray(start, Math.min(chunk.length, start + Math.max(room, 0)))
    this.#rest = Buffer.concat(this.#rest === undefined ? [more] : [this.#rest, more])
  }

  #endLine(chunk: Buffer, start: number, end: number): void {
    if (this.#rest === undefined) return this.#line(chunk, start, end)
    const room = Math.max(LINE - this.#rest.length, 0)
    const line = Buffer.concat([this.#rest, chunk.subarray(start, Math.min(end, start + room))])
    this.#rest = undefined
    this.#line(line, 0, line.length)
  }

  #line(bytes: Buffer, start: number, lineEnd: number): void {
    const cut = Math.min(lineEnd, start + LINE)
    const end = cut > start && bytes[cut - 1] === CR ? cut - 1 : cut
    const code = codeOf(bytes, start, end)
    const mark = end - start > 3 ? bytes[start + 3] : SPACE
    if (code === 0 || (mark !== SPACE && mark !== HYPHEN))
      return this.#give(
        `sent what is no SMTP reply: "${bytes.toString('latin1', start, Math.min(end, start + 80))}"`,
      )
    if (this.#lines.length === 0) this.#code = code
    else if (code !== this.#code)
      return this.#give(`sent a reply of two codes, ${this.#code} and ${code}`)
    if (this.#seen > ENDLESS) return this.#give('sent a reply without an end')
    const text = bytes.toString('utf8', Math.min(start + 4, end), end)
    if (mark === HYPHEN) this.#keepLine(text)
    else this.#endReply(text)
  }

  #keepLine(text: string): void {
    if (this.#lines.length >= LINES || this.#kept + text.length > KEPT) return
    this.#kept += text.length
    this.#lines.push(text)
  }

  #endReply(last: string): void {
    const code = this.#code
    let reply: Reply
    if (this.#lines.length === 0) reply = replyOf(code, last)
    else {
      this.#keepLine(last)
      reply = replyOfLines(code, this.#lines)
      this.#lines = []
      this.#kept = 0
    }
    this.#seen = 0
    this.#each(reply)
  }

  #give(garbled: string): void {
    this.#garbled = garbled
  }
}

/** The three digits at the start of a line; 0 when there are none that SMTP could mean. */
function codeOf(bytes: Buffer, start: number, end: number): number {
  if (end - start < 3) return 0
  const hundreds = bytes[start]! - 48
  const tens = bytes[start + 1]! - 48
  const ones = bytes[start + 2]! - 48
  const digits = tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9
  return digits && hundreds >= 1 && hundreds <= 5 ? hundreds * 100 + tens * 10 + ones : 0
}

const STATUS = /^([245])\.\d{1,3}\.\d{1,3}(?=[ \t]|$)/

/** A status counts only when its class is the code's: `421 5.7.32` is temporary, and stays text. */
function statusOf(code: number, text: string): string | undefined {
  if (text.charCodeAt(1) !== 46) return undefined
  const match = STATUS.exec(text)
  return match !== null && Number(match[1]) === Math.floor(code / 100) ? match[0] : undefined
}

function replyOf(code: number, text: string): Reply {
  const status = statusOf(code, text)
  if (status === undefined) return { code, text }
  return { code, status, text: text.slice(status.length + 1) }
}

// RFC 2034: the status stands at the start of every line; a different one stays as text.
function replyOfLines(code: number, lines: readonly string[]): Reply {
  const status = statusOf(code, lines[0] ?? '')
  if (status === undefined) return { code, text: lines.join('\n') }
  const plain = lines.map((line) =>
    statusOf(code, line) === status ? line.slice(status.length + 1) : line,
  )
  return { code, status, text: plain.join('\n') }
}
