// The message that a notice is about: what is said of it, and how much of it goes along.

import { valueOf, type Field, type Header } from '../mail/header.ts'
import type { NoticeReport } from './notice-report.ts'

/** Decoded, and from strangers. */
export interface About {
  readonly subject?: string
  readonly date?: string
  /** With its angle brackets; only where it has the form of a Message-ID. */
  readonly messageId?: string
}

export interface Returned {
  readonly kind: 'whole' | 'header'
  readonly bytes: Buffer
}

const KB = 1024
/** What goes along unasked, and at most when RET=FULL asks for all of it. */
const SMALL = 50 * KB
const MOST = 200 * KB

export function aboutOf({ fields }: Header): About {
  const said = (name: string): string | undefined => {
    const field = fields.find((each) => each.name === name)
    const value = field === undefined ? '' : decodeWords(utf8(field))
    return value === '' ? undefined : shorten(value)
  }
  const id = fields.find(({ name }) => name === 'message-id')
  const messageId = id === undefined ? '' : valueOf(id)
  return {
    ...optional('subject', said('subject')),
    ...optional('date', said('date')),
    ...(/^<[!-;=?-~]{1,250}>$/.test(messageId) ? { messageId } : {}),
  }
}

/** RFC 3461 6.2 and 6.3: only failures return content, and `RET` decides; else the size does. */
export function returnedOf(report: NoticeReport, header: Header): Returned {
  const { kind, full, delivery } = report
  const { ret, eightBit } = delivery.envelope
  // Nobody asked for eight-bit content, and a server that cannot take it would not take the notice.
  const small = full !== undefined && full.length <= SMALL && !eightBit
  const whole = ret === 'full' ? full !== undefined && full.length <= MOST : small
  if (kind === 'failure' && whole && ret !== 'hdrs') return { kind: 'whole', bytes: full! }
  return { kind: 'header', bytes: headerBytes(header) }
}

function headerBytes({ fields }: Header): Buffer {
  let text = ''
  for (const { raw } of fields) {
    if (text.length + raw.length > SMALL) break
    text += raw + '\r\n'
  }
  return Buffer.from(text, 'latin1')
}

function utf8(field: Field): string {
  return Buffer.from(valueOf(field), 'latin1').toString()
}

const ENCODED_WORD = /=\?([\w-]{1,40})(?:\*[\w-]{1,40})?\?([BbQq])\?([!->@-~]{0,500})\?=/g

/** RFC 2047: `=?utf-8?q?Gr=C3=BC=C3=9Fe?=` as what it says; what cannot be read stays as it is. */
export function decodeWords(value: string): string {
  const joined = value.replace(/(\?=)[ \t]+(?==\?)/g, '$1')
  return joined.replace(ENCODED_WORD, (whole, charset: string, kind: string, text: string) => {
    const bytes = kind.toLowerCase() === 'b' ? Buffer.from(text, 'base64') : fromQ(text)
    try {
      return new TextDecoder(charset).decode(bytes)
    } catch {
      return whole // a charset that nobody knows
    }
  })
}

function fromQ(text: string): Buffer {
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, pair: string) => String.fromCharCode(parseInt(pair, 16)))
  return Buffer.from(bytes, 'latin1')
}

function shorten(text: string): string {
  const start = /^.{0,200}/su.exec(text)![0]
  return start.length < text.length ? `${start}…` : text
}

function optional<Name extends string>(
  name: Name,
  value: string | undefined,
): { readonly [Key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]: string })
}
