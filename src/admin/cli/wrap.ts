// Long lines on a narrow terminal: broken between words, what follows further in, so that the
// first column stays free for the eye. Only a word that is wider than the terminal runs over.

/** Lines no longer than `width`; all but the first begin with `indent` spaces. */
export function wrap(line: string, width: number | undefined, indent: number): string[] {
  if (width === undefined || line.length <= width || width < indent + 20) return [line]
  const lines: string[] = []
  let rest = line
  while (rest.length > width) {
    const start = lines.length === 0 ? indentOf(rest) : indent
    const end = breakOf(rest, start, width)
    if (end === -1) break
    lines.push(rest.slice(0, end).trimEnd())
    rest = ' '.repeat(indent) + rest.slice(end + 1)
  }
  return [...lines, rest]
}

// The last space that still fits, or else the first one there is.
function breakOf(line: string, start: number, width: number): number {
  const end = line.lastIndexOf(' ', width)
  return end > start ? end : line.indexOf(' ', Math.max(width, start))
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}
