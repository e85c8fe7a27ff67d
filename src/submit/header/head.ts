// What acceptance must know of a message's header: how often it was relayed, what is missing,
// who it says it is from, and which bytes have to go. Reads the bytes once, as all who come later
// read them (mail/header.ts).

import { isAscii } from 'node:buffer'
import { colonOf, endOfField, endOfName, headerText } from '../../mail/header.ts'
import { isDate, isMessageId, parseIsoDate } from './field-values.ts'
import { beginsLate, lineOf } from './lost-header.ts'

export interface Head {
  /** `Received` fields. */
  readonly hops: number
  /** There is a Date that says one. */
  readonly hasDate: boolean
  /** What a Date in ISO 8601 means, in milliseconds since 1970; the field itself goes. */
  readonly date: number | undefined
  readonly messageId: string | undefined
  /** Bodies of the From and of the Sender fields, latin1, with their folding. */
  readonly from: readonly string[]
  readonly sender: readonly string[]
  /** What has to go, as start and end, one after the other. */
  readonly cuts: readonly number[]
  /** Where the header's last field ends. */
  readonly end: number
  /** What is missing between the header and what follows it: line ends, or nothing. */
  readonly gap: string
  /** The number of a line that is no field, where the header goes on behind it. */
  readonly lost: number | undefined
  readonly eightBit: boolean
}

/** The content needs CRLF line ends. A line that is no field ends the header. */
export function readHead(content: Buffer): Head {
  const text = headerText(content)
  const head = {
    hops: 0,
    hasDate: false,
    date: undefined as number | undefined,
    messageId: undefined as string | undefined,
    from: [] as string[],
    sender: [] as string[],
    cuts: [] as number[],
    end: 0,
    gap: '',
    lost: undefined as number | undefined,
    eightBit: false,
  }
  const start = fieldsStart(text)
  if (start > 0) head.cuts.push(0, start)
  head.end = start
  while (head.end < text.length && text.charCodeAt(head.end) !== 13) {
    const colon = colonOf(text, head.end)
    if (colon === -1) break
    const next = endOfField(text, colon)
    note(head, text, head.end, colon, next)
    head.end = next
  }
  if (!text.startsWith('\r\n', head.end)) {
    head.gap = head.end === 0 || text.startsWith('\r\n', head.end - 2) ? '\r\n' : '\r\n\r\n'
  }
  const isEmpty = text.charCodeAt(head.end) === 13
  if ((isEmpty ? head.end === 0 : head.end < text.length) && beginsLate(content, text, head))
    head.lost = lineOf(text, head.end)
  head.eightBit = !isAscii(content.subarray(start, head.end))
  return head
}

const MBOX_LINE = />?From [^\r\n]{0,990}\r\n/y
const BYTE_ORDER_MARK = '\xef\xbb\xbf'

/**
 * Behind what stands in front of the first field and belongs to no message: the line that parts
 * messages in a mailbox file, and the mark that editors put into text files.
 */
function fieldsStart(text: string): number {
  let start = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0
  while (isMboxStart(text, start) && colonOf(text, start) === -1) {
    MBOX_LINE.lastIndex = start
    if (!MBOX_LINE.test(text)) break
    start = MBOX_LINE.lastIndex
  }
  return start > 0 && colonOf(text, start) !== -1 ? start : 0
}

function isMboxStart(text: string, at: number): boolean {
  return text.startsWith('From ', at) || text.startsWith('>From ', at)
}

interface Found {
  hops: number
  hasDate: boolean
  date: number | undefined
  messageId: string | undefined
  from: string[]
  sender: string[]
  cuts: number[]
}

function note(found: Found, text: string, start: number, colon: number, end: number): void {
  const nameEnd = endOfName(text, start, colon)
  if (!keeps(found, text.slice(start, nameEnd).toLowerCase(), text, colon + 1, end))
    found.cuts.push(start, end)
  // Most verifiers of DKIM cannot read a field with space before its colon.
  else if (nameEnd < colon) found.cuts.push(nameEnd, colon)
}

/** False: the field has to go. */
function keeps(found: Found, name: string, text: string, from: number, end: number): boolean {
  switch (name) {
    case 'received':
      found.hops++
      return true
    case 'date':
      return keepsDate(found, text.slice(from, end).trim())
    case 'message-id': {
      const id = text.slice(from, end).trim()
      if (!isMessageId(id)) return false
      found.messageId ??= id.replaceAll('\r\n', '').slice(0, 998)
      return true
    }
    case 'from':
      found.from.push(text.slice(from, end))
      return true
    case 'sender':
      found.sender.push(text.slice(from, end))
      return true
    case 'bcc':
    case 'resent-bcc':
    case 'return-path':
      return false
    default:
      return true
  }
}

function keepsDate(found: Found, value: string): boolean {
  const meant = parseIsoDate(value)
  if (meant !== undefined) found.date ??= meant
  if (meant !== undefined || !isDate(value)) return false
  found.hasDate = true
  return true
}
