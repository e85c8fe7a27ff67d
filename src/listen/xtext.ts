// What a client wrote in ENVID and ORCPT (RFC 3461 4). It is kept as it came; here it is only
// checked, and what would decode to control characters is refused: it would end up in reports.

import { decodeXtext, parseOriginalRecipient } from '../mail/xtext.ts'

const CONTROL = /\p{Cc}/u

export function isXtext(text: string): boolean {
  return isSound(decodeXtext(text))
}

/** `addr-type;xtext`, or a UTF-8 address in one of the forms of RFC 6533 3. */
export function isOriginalRecipient(text: string): boolean {
  return !text.includes('=') && isSound(parseOriginalRecipient(text)?.address)
}

function isSound(decoded: string | undefined): boolean {
  return decoded !== undefined && decoded !== '' && !CONTROL.test(decoded)
}
