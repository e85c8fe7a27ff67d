// Strangers' text on its way to a person. Control, C1 and bidirectional characters
// never reach a terminal or a log line as they are.

const UNSAFE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** One line that is safe on a terminal; what was unsafe shows as `\x1b` or `\u{202e}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

// What JSON leaves as it is, and a terminal or a reader's eye may not survive.
const BEYOND_ASCII = /[^\x20-\x7e]/
const UNSAFE_IN_JSON = /[\x7f-\x9f\p{Cf}\u2028\u2029]/gu

/** One JSON text without line ends, in which every unsafe character is a `\u` escape. */
export function safeJson(value: unknown): string {
  const text = JSON.stringify(value)
  return BEYOND_ASCII.test(text) ? text.replace(UNSAFE_IN_JSON, escapeUnits) : text
}

function escapeUnits(character: string): string {
  let escaped = ''
  for (let at = 0; at < character.length; at++)
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  return escaped
}
