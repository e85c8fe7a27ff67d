// Texts that strangers could make as long as they like, cut for people: what is left out is said.

const CUT = '…'

/** At most so many characters (UTF-16 units). */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text
  const end = most - CUT.length
  // Half a character is none.
  const whole = /[\ud800-\udbff]/.test(text[end - 1] ?? '') ? end - 1 : end
  return text.slice(0, whole) + CUT
}

/** The first few, and how many there are beside them: `a, b and 3,998 more`. */
export function enumerate(items: readonly string[], most: number, beside = 0): string {
  const more = Math.max(items.length - most, 0) + beside
  const shown = items.slice(0, most).join(', ')
  return more === 0 ? shown : `${shown} and ${more.toLocaleString('en-US')} more`
}
