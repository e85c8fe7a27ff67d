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
  const fields: Field[] = []
  let at = 0
  while (at < content.length) {
    if (content[at] === 13 && content[at + 1] === 10) return { fields, bodyStart: at + 2 }
    const end = endOfField(content, at)
    const raw = content.toString('latin1', at, end)
    const colon = raw.indexOf(':')
    const name = raw.slice(0, endOfName(raw, colon))
    if (colon <= 0 || !/^[!-9;-~]+$/.test(name)) break
    fields.push({ name: name.toLowerCase(), raw })
    at = Math.min(end + 2, content.length)
  }
  return { fields, bodyStart: at }
}

/** The value without folding: one line, outer white space removed. */
export function valueOf(field: Field): string {
  return field.raw
    .slice(field.raw.indexOf(':') + 1)
    .replaceAll(/\r\n(?=[ \t])/g, '')
    .trim()
}

// White space is space and tab: a no-break space makes a name that is none.
function endOfName(raw: string, colon: number): number {
  let end = colon
  while (end > 0 && (raw[end - 1] === ' ' || raw[end - 1] === '\t')) end--
  return end
}

// The next CRLF that no space or tab follows.
function endOfField(content: Buffer, start: number): number {
  let at = start
  for (;;) {
    const end = content.indexOf('\r\n', at, 'latin1')
    if (end === -1) return content.length
    const next = content[end + 2]
    if (next !== 32 && next !== 9) return end
    at = end + 2
  }
}
