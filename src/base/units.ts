// Durations and sizes as operators write them: `500ms 10s 5m 2h 5d`, `50MB`.
// Inside, a duration is milliseconds and a size is bytes.

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const BYTES = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 } as const

/** Milliseconds, or `undefined` when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text)
  if (match === null) return undefined
  return Math.round(Number(match[1]) * MILLISECONDS[match[2] as keyof typeof MILLISECONDS])
}

/** Bytes, or `undefined` when the text is no size; 1 KB is 1024 bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(B|KB|MB|GB|TB)$/i.exec(text)
  if (match === null) return undefined
  return Math.round(Number(match[1]) * BYTES[match[2]!.toUpperCase() as keyof typeof BYTES])
}

/** The two largest units that say it: `2h 5m`, `350ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`
  const parts: string[] = []
  let rest = Math.round(milliseconds / 1000) * 1000
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / MILLISECONDS[unit])
    rest -= count * MILLISECONDS[unit]
    if (count > 0) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
  }
  return parts.slice(0, 2).join(' ')
}

export function formatSize(bytes: number): string {
  const unit = (['TB', 'GB', 'MB', 'KB'] as const).find((name) => bytes >= BYTES[name])
  if (unit === undefined) return `${bytes}B`
  return `${Number((bytes / BYTES[unit]).toFixed(1))}${unit}`
}
