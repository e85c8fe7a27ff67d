// The part of a notice that programs read: message/delivery-status (RFC 3464), or its UTF-8
// form (RFC 6533). Whatever a field says ends up on lines of its own field: control characters
// are written as `\x0d`, and beyond ASCII too unless the form allows it.

import { printable } from '../base/escape.ts'
import { formatDate } from './date.ts'

export interface StatusOfMessage {
  readonly reportingMta: string
  readonly arrivedAt: number
  readonly envelopeId?: string | undefined
}

export interface StatusOfRecipient {
  /** With its type: `rfc822; bo@far.example`. */
  readonly originalRecipient?: string | undefined
  readonly finalRecipient: string
  readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed'
  readonly status: string
  readonly remoteMta?: string | undefined
  /** With its type: `smtp; 550 5.1.1 No such user`. */
  readonly diagnostic?: string | undefined
  readonly lastAttemptAt?: number | undefined
  readonly willRetryUntil?: number | undefined
}

/** The whole part, with CRLF line ends; `utf8` writes it for message/global-delivery-status. */
export function formatDeliveryStatus(
  message: StatusOfMessage,
  recipients: readonly StatusOfRecipient[],
  utf8: boolean,
): string {
  const groups = [messageFields(message), ...recipients.map(recipientFields)]
  return groups.map((fields) => formatFields(fields, utf8)).join('\r\n')
}

type Fields = readonly (readonly [name: string, value: string | undefined])[]

function messageFields({ reportingMta, arrivedAt, envelopeId }: StatusOfMessage): Fields {
  return [
    ['Original-Envelope-Id', envelopeId],
    ['Reporting-MTA', `dns; ${reportingMta}`],
    ['Arrival-Date', formatDate(arrivedAt)],
  ]
}

function recipientFields(recipient: StatusOfRecipient): Fields {
  const { remoteMta, lastAttemptAt, willRetryUntil } = recipient
  return [
    ['Original-Recipient', recipient.originalRecipient],
    ['Final-Recipient', recipient.finalRecipient],
    ['Action', recipient.action],
    ['Status', recipient.status],
    ['Remote-MTA', remoteMta === undefined ? undefined : `dns; ${remoteMta}`],
    ['Diagnostic-Code', recipient.diagnostic],
    ['Last-Attempt-Date', lastAttemptAt === undefined ? undefined : formatDate(lastAttemptAt)],
    ['Will-Retry-Until', willRetryUntil === undefined ? undefined : formatDate(willRetryUntil)],
  ]
}

function formatFields(fields: Fields, utf8: boolean): string {
  return fields
    .map(([name, value]) => (value === undefined ? '' : formatField(name, value, utf8)))
    .join('')
}

/** One field with its CRLF, folded to short lines. */
export function formatField(name: string, value: string, utf8 = false): string {
  const safe = printable(value)
  return foldWords(`${name}:`, utf8 ? safe : asciiOnly(safe)) + '\r\n'
}

/** What is not ASCII as `\u{e9}`. */
export function asciiOnly(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`
  })
}

const WIDTH = 76
// RFC 5322 2.1.1 allows 998 bytes; a character has at most four.
const LONG_WORD = /.{1,240}/gsu

function foldWords(start: string, value: string): string {
  let text = start
  let width = start.length
  for (const word of value.split(' ').flatMap(cutWord)) {
    const fits = width + 1 + word.length <= WIDTH || text === start
    text += (fits ? ' ' : '\r\n ') + word
    width = (fits ? width : 0) + 1 + word.length
  }
  return text
}

function cutWord(word: string): string[] {
  return word.match(LONG_WORD) ?? []
}
