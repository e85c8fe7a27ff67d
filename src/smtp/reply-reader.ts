// Reads SMTP replies (RFC 5321 4.2) out of the bytes that a server sends, however they are
// split. Strangers write them: at most 100 lines and 8 KB of a reply are kept, 2 KB of a line,
// and one that has no end within 64 KB is given up. Of lines with several codes the last one's
// counts, as everywhere; lines without a code are words of the reply that they stand in, and
// noise between replies. Whatever is not understood is kept, to be told.

import type { Reply } from '../mail/reply.ts'

const LINES = 100
const KEPT = 8 * 1024
const LINE = 2 * 1024
const ENDLESS = 64 * 1024

/** How much of what is no reply is told. */
const QUOTED = 80

const LF = 10
const CR = 13
const SPACE = 32
const HYPHEN = 45

/** `torn`: some of its lines say that all went well, and others something else; as they came. */
type Each = (reply: Reply, torn: string | undefined) => void

/** One line; without a code it is what a server wrote between others. */
interface Line {
  readonly code: number | undefined
  readonly text: string
}

export class ReplyReader {
  readonly #each: Each
  /** The bytes of a line that has not ended, at most `LINE` of them. */
  #rest: Buffer | undefined
  /** Lines of a reply that has not ended. */
  #lines: Line[] = []
  #kept = 0
  /** Bytes of the reply so far, kept or not. */
  #seen = 0
  #noise: string | undefined
  #garbled: string | undefined

  constructor(each: Each) {
    this.#each = each
  }

  /** What came since the last reply and is none yet, or none at all: its first words, in quotes. */
  get unread(): string | undefined {
    const first = this.#lines[0]
    if (first !== undefined) return `"${first.code}-${first.text.slice(0, QUOTED)}"`
    return this.#noise ?? (this.#rest && quote(this.#rest, 0, this.#rest.length))
  }

  /** The first line since the last reply that is none: `"SSH-2.0-OpenSSH_9.2"`. */
  get noise(): string | undefined {
    return this.#noise
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
    const room = LINE - (this.#rest?.length ?? 0)
    const more = chunk.subarray(start, Math.min(chunk.length, start + Math.max(room, 0)))
    this.#rest = Buffer.concat(this.#rest === undefined ? [more] : [this.#rest, more])
    if (this.#seen > ENDLESS) this.#give('sent a reply without an end')
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
    if (code === 0) return this.#noLine(bytes, start, end)
    if (this.#seen > ENDLESS) return this.#give('sent a reply without an end')
    const mark = end - start > 3 ? bytes[start + 3]! : SPACE
    const text = bytes.toString('utf8', Math.min(start + 4, end), end)
    if (mark === HYPHEN) this.#keepLine({ code, text })
    else this.#endReply(code, text)
  }

  // Some servers break the text of a reply without a code on each line. Elsewhere a line without one
  // is not what anybody waits for: the reply may follow yet.
  #noLine(bytes: Buffer, start: number, end: number): void {
    if (this.#seen > ENDLESS) return this.#give('sent a reply without an end')
    if (this.#lines.length > 0)
      return this.#keepLine({ code: undefined, text: bytes.toString('utf8', start, end) })
    this.#noise ??= quote(bytes, start, end)
  }

  #keepLine(line: Line): void {
    const length = 4 + line.text.length
    if (this.#lines.length >= LINES || this.#kept + length > KEPT) return
    this.#kept += length
    this.#lines.push(line)
  }

  #endReply(code: number, text: string): void {
    let reply: Reply
    let torn: string | undefined
    if (this.#lines.length === 0) reply = replyOf(code, text)
    else {
      this.#keepLine({ code, text })
      reply = replyOfLines(code, this.#lines)
      if (isTorn(code, this.#lines)) torn = asSent(code, this.#lines)
      this.#lines = []
      this.#kept = 0
    }
    this.#seen = 0
    this.#noise = undefined
    this.#each(reply, torn)
  }

  #give(garbled: string): void {
    this.#garbled = `${garbled}: ${this.unread ?? '""'}`
  }
}

function quote(bytes: Buffer, start: number, end: number): string {
  return `"${bytes.toString('latin1', start, Math.min(end, start + QUOTED))}"`
}

/** The three digits at the start of a line; 0 when there are none that SMTP could mean. */
function codeOf(bytes: Buffer, start: number, end: number): number {
  if (end - start < 3) return 0
  const hundreds = bytes[start]! - 48
  const tens = bytes[start + 1]! - 48
  const ones = bytes[start + 2]! - 48
  const digits = tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9
  if (!digits || hundreds < 1 || hundreds > 5) return 0
  // "2500 ok" and "250ok" are no codes; "250\tok" and "250:ok" cannot be anything else.
  if (end - start > 3 && isWordCharacter(bytes[start + 3]!)) return 0
  return hundreds * 100 + tens * 10 + ones
}

function isWordCharacter(byte: number): boolean {
  const letter = byte | 32
  return (byte >= 48 && byte <= 57) || (letter >= 97 && letter <= 122) || byte >= 128
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

// RFC 2034: the status stands at the start of every line; a different one stays as text. Lines with
// another code than the last (RFC 5321 4.2.1 forbids them) stand behind the others, as they came.
function replyOfLines(code: number, lines: readonly Line[]): Reply {
  const status = statusOf(code, lines.find((line) => line.code === code)?.text ?? '')
  const texts: string[] = []
  const others: string[] = []
  for (const line of lines) {
    const isPlain = status === undefined || statusOf(code, line.text) !== status
    if (line.code === undefined) texts.push(line.text)
    else if (line.code !== code) others.push(`${line.code}-${line.text}`)
    else texts.push(isPlain ? line.text : line.text.slice(status.length + 1))
  }
  const text = [...texts, ...others].join('\n')
  return status === undefined ? { code, text } : { code, status, text }
}

function isTorn(code: number, lines: readonly Line[]): boolean {
  const saysWell = (one: number): boolean => one >= 200 && one < 300
  return lines.some((line) => saysWell(line.code ?? code) !== saysWell(code))
}

function asSent(last: number, lines: readonly Line[]): string {
  const words = lines.map(({ code, text }, n) =>
    code === undefined
      ? text
      : `${code}${n < lines.length - 1 || code !== last ? '-' : ' '}${text}`,
  )
  return `"${words.join(' ')}"`
}
