// The message that a notice is about: what is said of it, and how much of it goes along.

import { valueOf, type Field, type Header } from '../../mail/header.ts'
import type { Part } from './mime.ts'
import type { NoticeReport } from '../decide/notice-report.ts'

/** Decoded, and from strangers. */
export interface About {
  readonly subject?: string
  readonly date?: string
  /** With its angle brackets; only where it has the form of a Message-ID. */
  readonly messageId?: string
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

/**
 * RFC 3461 6.2 and 6.3: only failures return content, and `RET` decides; else the size does.
 * @param utf8 the report has the forms of RFC 6533
 * @param eightBitWay the notice goes by SMTPUTF8 in any case, and so by 8BITMIME
 */
export function originalPart(
  report: NoticeReport,
  header: Header,
  utf8: boolean,
  eightBitWay: boolean,
): Part {
  const { kind, full, delivery } = report
  const { ret, eightBit } = delivery.envelope
  // Nobody asked for eight-bit content. Where somebody did, it is tried: a way that does not take it
  // gets the header instead (notice-smaller.ts).
  const small = full !== undefined && full.length <= SMALL && !eightBit
  const whole = ret === 'full' ? full !== undefined && full.length <= MOST : small
  if (kind !== 'failure' || !whole || ret === 'hdrs') return headerPart(header, utf8 && eightBitWay)
  // message/rfc822 may not be encoded (RFC 2046 5.2.1), message/global may (RFC 6532 3.7).
  return {
    type: utf8 ? 'message/global' : 'message/rfc822',
    description: 'Your message',
    bytes: full!,
    plain: !utf8 || eightBitWay,
  }
}

/** The top of the message; `global` as RFC 6533 has it, in eight bits. */
export function headerPart({ fields }: Header, global: boolean): Part {
  let text = ''
  for (const { raw } of fields) {
    if (text.length + raw.length > SMALL) break
    text += raw + '\r\n'
  }
  return {
    type: global ? 'message/global-headers' : 'text/rfc822-headers; charset=utf-8',
    description: 'The top of your message',
    bytes: Buffer.from(text, 'latin1'),
    plain: global,
  }
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
