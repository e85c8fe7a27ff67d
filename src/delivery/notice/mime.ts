// A notice as multipart/report (RFC 6522): a part for people, one for programs, and the message
// or its header. The bytes follow from what goes in, and no part can end another: the boundary is
// a hash of them all.

import { hash } from 'node:crypto'
import { encodeWords } from 'nodemailer/lib/mime-funcs'
import { encode, wrap } from 'nodemailer/lib/qp'
import { printable } from '../../base/escape.ts'
import { formatDate } from '../../mail/date.ts'
import { formatField } from '../../mail/dsn.ts'

export interface Part {
  readonly type: string
  readonly description: string
  readonly bytes: Buffer
  /** It may not be encoded, so bytes above 127 go as they are; all others are encoded for 7 bits. */
  readonly plain: boolean
}

export interface Heading {
  readonly hostname: string
  /** The sender who is told. */
  readonly to: string
  readonly subject: string
  readonly at: number
  /** With angle brackets, like the next. */
  readonly messageId: string
  readonly about?: string
}

export function formatNotice(heading: Heading, parts: readonly Part[]): Buffer {
  const top = formatHeading(heading)
  const all = Buffer.concat([Buffer.from(top), ...parts.map(({ bytes }) => bytes)])
  const boundary = `=_${hash('sha256', all).slice(0, 32)}`
  const type = `multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"`
  return Buffer.concat([
    Buffer.from(`${top}MIME-Version: 1.0\r\nContent-Type: ${type}\r\n`),
    ...parts.flatMap((part) => formatPart(part, boundary)),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
}

function formatHeading({ hostname, to, subject, at, messageId, about }: Heading): string {
  const title = encodeWords(printable(subject), 'Q', 52, true)
  return [
    `From: Mail Delivery System <mailer-daemon@${hostname}>\r\n`,
    // An address beyond ASCII stands as it is: then the notice goes by SMTPUTF8.
    `To: <${printable(to)}>\r\n`,
    formatField('Subject', title),
    `Date: ${formatDate(at)}\r\n`,
    `Message-ID: ${messageId}\r\n`,
    ...(about === undefined ? [] : [`In-Reply-To: ${about}\r\nReferences: ${about}\r\n`]),
    'Auto-Submitted: auto-replied\r\n',
  ].join('')
}

export function formatPart(part: Part, boundary: string): Buffer[] {
  const { encoding, bytes } = encoded(part)
  const top =
    `\r\n--${boundary}\r\nContent-Type: ${part.type}\r\n` +
    `Content-Description: ${part.description}\r\n` +
    `Content-Transfer-Encoding: ${encoding}\r\n\r\n`
  return [Buffer.from(top), bytes]
}

function encoded(part: Part): { encoding: string; bytes: Buffer } {
  const { bytes, plain } = part
  if (isEightBit(part)) return { encoding: '8bit', bytes }
  if (plain || isPlainText(bytes.toString('latin1'))) return { encoding: '7bit', bytes }
  return { encoding: 'quoted-printable', bytes: Buffer.from(wrap(encode(bytes), 76)) }
}

/** Sent as it is, the part needs a server that takes eight bits. */
export function isEightBit({ bytes, plain }: Part): boolean {
  return plain && /[\x80-\xff]/.test(bytes.toString('latin1'))
}

// ASCII without control characters, in lines that RFC 5322 2.1.1 allows.
function isPlainText(text: string): boolean {
  return !/[^\t\r\n\x20-\x7e]|[^\r\n]{999}/.test(text)
}
