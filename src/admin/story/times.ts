// Times as people and programs read them.

import { formatDuration } from '../../base/units.ts'

export function iso(at: number): string {
  return new Date(at).toISOString()
}

/** Without milliseconds: `2026-11-22T22:31:04Z`. */
export function isoSeconds(at: number): string {
  return `${iso(at).slice(0, 19)}Z`
}

/** `in 4m`, `3h 2m ago`, `now`. */
export function relative(at: number, now: number): string {
  const distance = at - now
  if (Math.abs(distance) < 1000) return 'now'
  const text = formatDuration(Math.abs(distance))
  return distance > 0 ? `in ${text}` : `${text} ago`
}

/** With the largest unit alone: `in 4m`, `3h ago`. */
export function roughly(at: number, now: number): string {
  const text = age(Math.min(at, now), Math.max(at, now))
  return at > now ? `in ${text}` : `${text} ago`
}

/** How long ago, in the largest unit alone: `3h`. */
export function age(at: number, now: number): string {
  return formatDuration(Math.max(1000, now - at)).split(' ', 1)[0]!
}

/** `in 4m (2026-11-22T22:31:04Z)` */
export function both(at: number, now: number): string {
  return `${relative(at, now)} (${isoSeconds(at)})`
}
