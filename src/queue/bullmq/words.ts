// What the queue in Redis tells people, in words.

import { formatSize } from '../../base/units.ts'

/** Why nothing is delivered for so many milliseconds. */
export function recovers(milliseconds: number): string {
  return `Redis was restarted: deliveries begin in ${Math.ceil(milliseconds / 1000)} s, when whoever was at work has had time to say what came of it`
}

/** @param durability what the server keeps of what it is told */
export function isBack(milliseconds: number, durability: string): string {
  return `Redis is back after ${(milliseconds / 1000).toFixed(1)} s; ${durability}`
}

/** @param at the object store that has the content, where there is one */
export function emptied(at: string | undefined): string {
  const rebuilt =
    at === undefined
      ? 'what waited is lost, unless a copy of Redis has it'
      : `what waited is still in ${at}: \`waypost queue rebuild\``
  return `Redis was emptied beneath the queue (FLUSHALL, or its data gone): ${rebuilt}`
}

/** @param used in bytes, as is `most` */
export function crossed(isFull: boolean, used: number, most: number): string {
  const figures = `it uses ${formatSize(used)} of ${formatSize(most)}`
  return isFull
    ? `Redis is at 80 % of its maxmemory: no mail is taken; ${figures}`
    : `Mail is taken again: Redis has room; ${figures}`
}

export function causeOf(cause: unknown): string {
  if (cause instanceof Error) return cause.message
  return typeof cause === 'string' ? cause : JSON.stringify(cause)
}
