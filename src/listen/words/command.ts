// The commands that carry something, read strictly (RFC 5321 4.1.2): what comes out is safe to store
// and to send on. A line that is wrong gives the reply to send instead.

import { isUtf8 } from 'node:buffer'
import type { Address } from '../../mail/address.ts'
import type { MailParameters, RcptParameters } from './parameters.ts'
import type { ReplyLine } from './reply.ts'
import { parseAddress, parseDomain } from '../../mail/address.ts'
import { REFUSAL } from '../../submit/refusals.ts'
import { readMailParameters, readRcptParameters } from './parameters.ts'
import { SAY } from './reply.ts'
import { refusedReply } from './verdict-reply.ts'

export interface MailCommand extends MailParameters {
  sender: Address | undefined
}

export interface RcptCommand extends RcptParameters {
  address: Address
}

/** Lines come as latin1, one character a byte. */
export function parseMail(line: string): MailCommand | ReplyLine {
  const text = decode(line)
  if (text === undefined) return SAY.badSender
  const start = pathStart(text, 'MAIL FROM:')
  if (start === -1) return SAY.badArguments
  const end = pathEnd(text, start)
  if (end === -1) return SAY.badSender
  const sender = end === start + 2 ? undefined : readPath(text, start, end)
  if (sender === undefined && end !== start + 2) return SAY.badSender
  const command: MailCommand = { sender, size: 0, smtpUtf8: false }
  const wrong = readMailParameters(text, end, command)
  if (wrong !== undefined) return wrong
  return text !== line && !command.smtpUtf8 ? SAY.needsUtf8 : command
}

export function parseRcpt(
  line: string,
  smtpUtf8: boolean,
  postmaster: Address,
): RcptCommand | ReplyLine {
  const text = decode(line)
  if (text === undefined) return SAY.badRecipient
  if (text !== line && !smtpUtf8) return SAY.needsUtf8
  const start = pathStart(text, 'RCPT TO:')
  if (start === -1) return SAY.badArguments
  const end = pathEnd(text, start)
  if (end === -1) return SAY.badRecipient
  const address = isPostmaster(text, start, end) ? postmaster : readPath(text, start, end)
  if (address === undefined) return SAY.badRecipient
  const command: RcptCommand = { address }
  if (end === text.length) return command
  return readRcptParameters(text, end, command) ?? command
}

/** What BDAT announces (RFC 3030 2). */
export interface Chunk {
  readonly bytes: number
  readonly last: boolean
}

/** `text` is what stands behind the verb. A wrong one leaves open how long the chunk is. */
export function parseChunk(text: string): Chunk | ReplyLine {
  const match = /^ *(\d{1,15})(?: +(LAST))?$/i.exec(text)
  if (match !== null) return { bytes: Number(match[1]), last: match[2] !== undefined }
  return /^\d{16,}/.test(text) ? refusedReply(REFUSAL.tooBig) : SAY.badChunk
}

/** Without the spaces and tabs at its end; not `trimEnd`, a byte of a UTF-8 letter may look like a blank. */
export function withoutBlanks(line: string): string {
  let end = line.length
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--
  return end === line.length ? line : line.slice(0, end)
}

/** The line as UTF-8; `undefined` when it is none. */
function decode(line: string): string | undefined {
  for (let at = 0; at < line.length; at++) {
    if (line.charCodeAt(at) < 128) continue
    const bytes = Buffer.from(line, 'latin1')
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined
  }
  return line
}

// Where the `<` stands. A space behind the colon is wrong and common.
function pathStart(text: string, command: string): number {
  let at = command.length
  if (text.slice(0, at).toUpperCase() !== command) return -1
  while (text.charCodeAt(at) === 32) at++
  return text.charCodeAt(at) === 60 ? at : -1
}

/** Behind the `>` that ends the path; -1 when there is none, or it is too long (4.5.3.1.3). */
function pathEnd(text: string, start: number): number {
  let quoted = false
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) quoted = !quoted
    else if (code === 92 && quoted) at++
    else if (code === 62 && !quoted) return isBounded(text, start, at + 1) ? at + 1 : -1
    else if (code < 32 || ((code === 60 || code === 32) && !quoted)) return -1
  }
  return -1
}

function isBounded(text: string, start: number, end: number): boolean {
  if (end < text.length && text.charCodeAt(end) !== 32) return false
  return end - start <= 64 || Buffer.byteLength(text.slice(start, end)) <= 256
}

function readPath(text: string, start: number, end: number): Address | undefined {
  if (text.charCodeAt(start + 1) !== 64) return parseAddress(text.slice(start + 1, end - 1))
  // A source route is read and forgotten (4.1.1.3, appendix C).
  const path = text.slice(start + 1, end - 1)
  const colon = routeEnd(path)
  const hops = path.slice(0, colon).split(',')
  if (colon === -1 || !hops.every(isHop)) return undefined
  return parseAddress(path.slice(colon + 1))
}

// The colon behind the route, which is none inside an address literal.
function routeEnd(path: string): number {
  const literal = /^[^:[]*\[[^\]]*\]/.exec(path)
  return path.indexOf(':', literal?.[0].length ?? 0)
}

function isHop(hop: string): boolean {
  return hop.startsWith('@') && parseDomain(hop.slice(1)) !== undefined
}

function isPostmaster(text: string, start: number, end: number): boolean {
  return end - start === 12 && text.slice(start, end).toLowerCase() === '<postmaster>'
}
