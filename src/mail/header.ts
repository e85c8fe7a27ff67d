// The header of a message as fields, exactly as they stand. Bytes are read as latin1, so that
// every byte survives the way through a string and back.

export interface Field {
  /** Lower case, without the space that old senders put before the colon. */
  readonly name: string
  /** The whole field with its folding, without the CRLF that ends it. */
  readonly raw: string
}

export interface Header {
  readonly fields: readonly Field[]
  /** Where the body begins: after the empty line, or the end when there is none. */
  readonly bodyStart: number
}

/**
 * Reads the header from the start of content with CRLF line ends. A line that is no field ends the
 * header, as it does for most readers, and belongs to the body.
 */
export function parseHeader(content: Buffer): Header {
  const text = headerText(content)
  const fields: Field[] = []
  let at = 0
  while (at < text.length) {
    const colon = colonOf(text, at)
    if (colon === -1) return { fields, bodyStart: text.startsWith('\r\n', at) ? at + 2 : at }
    const end = endOfField(text, colon)
    const name = text.slice(at, endOfName(text, at, colon)).toLowerCase()
    const whole = text.charCodeAt(end - 1) === 10 && text.charCodeAt(end - 2) === 13
    fields.push({ name, raw: text.slice(at, whole ? end - 2 : end) })
    at = end
  }
  return { fields, bodyStart: at }
}

/** Up to and with the first empty line, as latin1: all that can be header. */
export function headerText(content: Buffer): string {
  if (content[0] === 13) return content.toString('latin1', 0, 2)
  const empty = content.indexOf('\r\n\r\n', 0, 'latin1')
  return content.toString('latin1', 0, empty === -1 ? content.length : empty + 4)
}

/**
 * Where the colon of the field stands whose line begins there, or -1 when that line is no field.
 * Old senders put space before it; a no-break space makes a name that is none.
 */
export function colonOf(text: string, start: number): number {
  let at = start
  let code = text.charCodeAt(at)
  while (code > 32 && code < 127 && code !== 58) code = text.charCodeAt(++at)
  if (at === start) return -1
  while (code === 32 || code === 9) code = text.charCodeAt(++at)
  return code === 58 ? at : -1
}

/** Where the name ends whose colon stands there. */
export function endOfName(text: string, start: number, colon: number): number {
  let end = colon
  while (end > start && text.charCodeAt(end - 1) <= 32) end--
  return end
}

/** Behind the line end that no space or tab follows. */
export function endOfField(text: string, from: number): number {
  let at = from
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return text.length
    const next = text.charCodeAt(end + 2)
    if (next !== 32 && next !== 9) return end + 2
    at = end + 2
  }
}

/** The value without folding: one line, outer white space removed. */
export function valueOf(field: Field): string {
  return field.raw
    .slice(field.raw.indexOf(':') + 1)
    .replaceAll(/\r\n(?=[ \t])/g, '')
    .trim()
}
