// xtext (RFC 3461 4) and the forms of UTF-8 addresses (RFC 6533 3): how ENVID and ORCPT carry
// what a command or a report could not carry plainly.

/** `+XX` for every byte of the UTF-8 form that is no printable ASCII, and for `+` and `=`. */
export function encodeXtext(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text)) {
    const plain = byte > 32 && byte < 127 && byte !== 43 && byte !== 61
    encoded += plain ? String.fromCharCode(byte) : '+' + hex(byte).padStart(2, '0')
  }
  return encoded
}

/** `undefined` when it is no xtext. Bytes that are no UTF-8 are replaced. */
export function decodeXtext(text: string): string | undefined {
  const bytes: number[] = []
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 33 || code > 126 || code === 61) return undefined
    if (code !== 43) {
      bytes.push(code)
      continue
    }
    const pair = text.slice(at + 1, at + 3)
    if (!/^[0-9A-F]{2}$/.test(pair)) return undefined
    bytes.push(parseInt(pair, 16))
    at += 2
  }
  return Buffer.from(bytes).toString()
}

/** utf-8-addr-xtext: `\x{F6}` for what is no printable ASCII, and for `\`, `+` and `=`. */
export function encodeUtf8Xtext(text: string): string {
  return text.replace(/[^!-~]|[\\+=]/gu, (character) => {
    return `\\x{${hex(character.codePointAt(0)!).padStart(2, '0')}}`
  })
}

/** Reads utf-8-addr-xtext and utf-8-addr-unitext; `undefined` for a code point that is none. */
export function decodeUtf8Xtext(text: string): string | undefined {
  let sound = true
  const decoded = text.replace(/\\(?:x\{([0-9A-Fa-f]{1,6})\})?/g, (_, digits?: string) => {
    const code = digits === undefined ? Infinity : parseInt(digits, 16)
    const exists = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
    sound &&= exists
    return exists ? String.fromCodePoint(code) : ''
  })
  return sound ? decoded : undefined
}

export interface OriginalRecipient {
  /** `rfc822`, `utf-8` or what else a client used. */
  readonly type: string
  readonly address: string
}

/** What ORCPT says, decoded: control characters may be in it. */
export function parseOriginalRecipient(orcpt: string): OriginalRecipient | undefined {
  const semicolon = orcpt.indexOf(';')
  const type = orcpt.slice(0, semicolon)
  if (semicolon <= 0 || !/^[A-Za-z0-9-]{1,40}$/.test(type)) return undefined
  const encoded = orcpt.slice(semicolon + 1)
  const utf8 = type.toLowerCase() === 'utf-8'
  const address = utf8 ? decodeUtf8Xtext(encoded) : decodeXtext(encoded)
  return address === undefined ? undefined : { type, address }
}

function hex(code: number): string {
  return code.toString(16).toUpperCase()
}
