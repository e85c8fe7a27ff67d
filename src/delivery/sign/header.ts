// Which fields a DKIM signature covers, and their relaxed form (RFC 6376 3.4.2, 5.4). Strings
// hold bytes as latin1, and only space and tab are white space: a no-break space is text.

import type { Field } from '../../mail/header.ts'

/** Signed once more than they occur, so that none can be added later (RFC 6376 8.15). */
const OVERSIGNED = [
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'reply-to',
  'mime-version',
  'content-type',
] as const

/** Signed as often as they occur, like all List-* fields: who adds one must not break us. */
const SIGNED = new Set<string>([
  ...OVERSIGNED,
  'sender',
  'in-reply-to',
  'references',
  'content-transfer-encoding',
  'feedback-id', // Gmail counts complaints by it, and only where it is signed
])

// What may stand in `h=`, and fits on a line there.
const LIST_FIELD = /^list-[a-z0-9-]{1,50}$/

/** No real message comes near; it keeps `h=` in bounds. */
const MOST_FIELDS = 200

export interface SignedFields {
  /** For `h=`, in the order in which they are hashed. */
  readonly names: readonly string[]
  /** The fields in relaxed form, each ended by CRLF. */
  readonly canonical: string
}

/** From the bottom up, as RFC 6376 5.4.2 asks for fields that occur several times. */
export function signedFields(fields: readonly Field[]): SignedFields {
  const names: string[] = []
  let canonical = ''
  let at = fields.length - 1
  for (; at >= 0 && names.length < MOST_FIELDS; at--) {
    const field = fields[at]!
    if (!isSigned(field.name)) continue
    names.push(field.name)
    canonical += relaxField(field) + '\r\n'
  }
  // A name in `h=` without a field left for it adds nothing to the hash until somebody adds one.
  if (at < 0) names.push(...OVERSIGNED)
  return { names, canonical }
}

function isSigned(name: string): boolean {
  return SIGNED.has(name) || (name.startsWith('list-') && LIST_FIELD.test(name))
}

/** `subject:Hello there`, without the CRLF that ends it. */
export function relaxField(field: Field): string {
  const value = field.raw.slice(field.raw.indexOf(':') + 1)
  return `${field.name}:${relaxValue(value)}`
}

function relaxValue(value: string): string {
  let line = value.includes('\r\n') ? value.replaceAll('\r\n', '') : value
  if (line.includes('\t') || line.includes('  ')) line = line.replace(/[ \t]{2,}|\t/g, ' ')
  const start = line.startsWith(' ') ? 1 : 0
  const end = line.endsWith(' ') ? line.length - 1 : line.length
  return line.slice(start, Math.max(start, end))
}
