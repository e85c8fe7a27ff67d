// A header that goes on behind a line that is no field, or begins behind an empty one. For everybody
// after us it would be text, with its Bcc, and the message be without From or without its MIME
// fields. Text that merely lacks the empty line in front of it is not meant: that goes on as prose.

import { colonOf, endOfField, endOfName, headerText } from '../../mail/header.ts'

/** Fields that are a program's and stand in no prose. */
const PROGRAMS =
  /^(?:mime-version|content-type|content-transfer-encoding|message-id|received|bcc|resent-bcc|return-path|dkim-signature)$/

/** Whether the header goes on behind `head.end`: only fields up to the next empty line. */
export function beginsLate(
  content: Buffer,
  text: string,
  head: { readonly end: number; readonly from: readonly string[] },
): boolean {
  const hasFrom = head.from.length > 0
  // An empty first line ended what is read as header; what follows it has not been looked at.
  if (text.startsWith('\r\n')) return isHeader(headerText(content.subarray(2)), 0, hasFrom)
  return isHeader(text, fieldsBehind(text, head.end), hasFrom)
}

/** The number of the line that begins there, counted from 1. */
export function lineOf(text: string, at: number): number {
  let line = 1
  for (let end = text.indexOf('\r\n'); end !== -1 && end < at; end = text.indexOf('\r\n', end + 2))
    line++
  return line
}

/** Where the last unbroken run of fields begins. */
function fieldsBehind(text: string, from: number): number {
  let run = -1
  for (let at = from; at < text.length && text.charCodeAt(at) !== 13;) {
    const colon = colonOf(text, at)
    if (colon === -1) run = -1
    else if (run === -1) run = at
    at = endOfField(text, colon === -1 ? at : colon)
  }
  return run === -1 ? text.length : run
}

function isHeader(text: string, from: number, hasFrom: boolean): boolean {
  let known = false
  let at = from
  while (at < text.length && text.charCodeAt(at) !== 13) {
    const colon = colonOf(text, at)
    if (colon === -1) return false
    const name = text.slice(at, endOfName(text, at, colon)).toLowerCase()
    known ||= PROGRAMS.test(name) || (!hasFrom && name === 'from')
    at = endOfField(text, colon)
  }
  return known
}
