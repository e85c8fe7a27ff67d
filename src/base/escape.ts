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
