// xtext (RFC 3461 4): how ENVID and ORCPT carry any byte in a command. It is kept as it came;
// here it is only checked, and what would decode to control characters is refused.

/** Well formed, and without control characters once decoded. */
export function isXtext(text: string): boolean {
  if (text === '') return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 33 || code > 126 || code === 61) return false
    if (code !== 43) continue
    const byte = hexByte(text, at + 1)
    if (byte < 32 || byte === 127) return false
    at += 2
  }
  return true
}

/** `addr-type;xtext`, or a UTF-8 address in one of the forms of RFC 6533 3. */
export function isOriginalRecipient(text: string, smtpUtf8: boolean): boolean {
  const semicolon = text.indexOf(';')
  const type = text.slice(0, semicolon)
  if (semicolon <= 0 || !/^[A-Za-z0-9-]+$/.test(type)) return false
  const address = text.slice(semicolon + 1)
  return type.toLowerCase() === 'utf-8' ? isUtf8Xtext(address, smtpUtf8) : isXtext(address)
}

function isUtf8Xtext(text: string, smtpUtf8: boolean): boolean {
  const plain = text.replaceAll(/\\x\{([0-9A-F]{2,6})\}/g, (whole, hex: string) =>
    isPrintable(parseInt(hex, 16)) ? 'x' : whole,
  )
  const ascii = smtpUtf8 ? plain.replaceAll(/[^\x00-\x9f]/g, 'x') : plain
  return !ascii.includes('\\') && isXtext(ascii)
}

function isPrintable(code: number): boolean {
  return code >= 32 && (code < 127 || code > 159) && code <= 0x10ffff
}

/** -1 unless two upper-case hexadecimal digits stand there. */
function hexByte(text: string, at: number): number {
  const pair = text.slice(at, at + 2)
  return /^[0-9A-F]{2}$/.test(pair) ? parseInt(pair, 16) : -1
}
