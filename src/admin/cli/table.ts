// Tables for people: aligned columns, and no line longer than the terminal. Everything in a
// cell is escaped, for most of it was written by strangers.

import { printable } from '../../base/escape.ts'

export interface Column {
  readonly title: string
  readonly align?: 'right'
  /** It may be cut when the terminal is narrow, down to this width. */
  readonly least?: number
}

const GAP = '  '

/** The table, one line a row, below its titles unless they stand there already; cut to `width`. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
  titled = true,
): string {
  const safe = rows.map((row) => row.map(printable))
  const widths = fit(columns, naturalWidths(columns, safe), width ?? Number.POSITIVE_INFINITY)
  const head = titled ? [columns.map(({ title }) => title)] : []
  return [...head, ...safe].map((row) => formatRow(columns, widths, row) + '\n').join('')
}

function naturalWidths(columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
  return columns.map(({ title }, index) =>
    rows.reduce((widest, row) => Math.max(widest, row[index]?.length ?? 0), title.length),
  )
}

// The widest that may be cut gives way first, so that short columns stay whole.
function fit(columns: readonly Column[], widths: number[], width: number): number[] {
  let excess = widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length) - width
  while (excess > 0) {
    const slack = widths.map((each, index) => {
      const least = columns[index]?.least
      return least !== undefined && each > least ? each : 0
    })
    const widest = Math.max(...slack)
    if (widest === 0) break
    widths[slack.indexOf(widest)]! -= 1
    excess--
  }
  return widths
}

function formatRow(
  columns: readonly Column[],
  widths: readonly number[],
  row: readonly string[],
): string {
  const cells = columns.map(({ align }, index) => {
    const text = cut(row[index] ?? '', widths[index]!)
    return align === 'right' ? text.padStart(widths[index]!) : text.padEnd(widths[index]!)
  })
  return cells.join(GAP).trimEnd()
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}
