// What acceptance must know of a message's header: how often it was relayed, what is missing,
// who it says it is from, and which fields have to go. Reads the bytes once.

import { isAscii } from 'node:buffer'

export interface Head {
  /** `Received` fields. */
  readonly hops: number
  readonly hasDate: boolean
  readonly messageId: string | undefined
  /** Bodies of the From and of the Sender fields, latin1, with their folding. */
  readonly from: readonly string[]
  readonly sender: readonly string[]
  /** Where Bcc and Return-Path fields stand, as start and end, one after the other. */
  readonly cuts: readonly number[]
  /** Where the header's last field ends. */
  readonly end: number
  /** An empty line, or the end of the content, follows the header. */
  readonly separated: boolean
  readonly eightBit: boolean
}

/** The content needs CRLF line ends. A line that is no field ends the header. */
export function readHead(content: Buffer): Head {
  const text = content.toString('latin1', 0, headSize(content))
  const head = {
    hops: 0,
    hasDate: false,
    messageId: undefined as string | undefined,
    from: [] as string[],
    sender: [] as string[],
    cuts: [] as number[],
    end: 0,
    separated: true,
    eightBit: false,
  }
  while (head.end < text.length && text.charCodeAt(head.end) !== 13) {
    const colon = nameEnd(text, head.end)
    if (colon === -1) break
    const next = fieldEnd(text, colon)
    note(head, text, head.end, colon, next)
    head.end = next
  }
  head.separated = head.end >= content.length || text.startsWith('\r\n', head.end)
  head.eightBit = !isAscii(content.subarray(0, head.end))
  return head
}

// Up to and with the empty line, if there is one.
function headSize(content: Buffer): number {
  if (content[0] === 13) return Math.min(2, content.length)
  const empty = content.indexOf('\r\n\r\n', 0, 'latin1')
  return empty === -1 ? content.length : empty + 4
}

/** Where the colon stands, or -1 when this line is no field. Old senders put space before it. */
function nameEnd(text: string, start: number): number {
  let at = start
  let code = text.charCodeAt(at)
  while (code > 32 && code < 127 && code !== 58) code = text.charCodeAt(++at)
  if (at === start) return -1
  while (code === 32 || code === 9) code = text.charCodeAt(++at)
  return code === 58 ? at : -1
}

/** Behind the line end that no space or tab follows. */
function fieldEnd(text: string, from: number): number {
  let at = from
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return text.length
    const next = text.charCodeAt(end + 2)
    if (next !== 32 && next !== 9) return end + 2
    at = end + 2
  }
}

interface Found {
  hops: number
  hasDate: boolean
  messageId: string | undefined
  from: string[]
  sender: string[]
  cuts: number[]
}

function note(found: Found, text: string, start: number, colon: number, end: number): void {
  switch (text.slice(start, colon).trimEnd().toLowerCase()) {
    case 'received':
      found.hops++
      return
    case 'date':
      found.hasDate = true
      return
    case 'message-id':
      found.messageId ??= text.slice(colon + 1, end).trim()
      return
    case 'from':
      found.from.push(text.slice(colon + 1, end))
      return
    case 'sender':
      found.sender.push(text.slice(colon + 1, end))
      return
    case 'bcc':
    case 'return-path':
      found.cuts.push(start, end)
  }
}
