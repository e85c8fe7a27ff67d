// Ids of messages and deliveries. An id is a whole number of 53 bits, milliseconds since 2024 and
// a counter, so that ids are in order of time, fit a rowid and are never given twice, also when
// the clock steps back. It is written as 11 characters of Crockford's base 32, in lower case.

import type { DeliveryId, MessageId } from './port/types.ts'

const EPOCH = Date.UTC(2024, 0, 1)
const PER_MILLISECOND = 4096
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'
const SHAPE = /^[0-9a-hjkmnp-tv-z]{11}$/
const HALF = 2 ** 25

/** The least number of an id given at that time; before 2024 it is 0. */
export function numberAt(time: number): number {
  return Math.max(0, Math.floor(time) - EPOCH) * PER_MILLISECOND
}

/** The time that an id was given at, in milliseconds since 1970. */
export function timeOf(number: number): number {
  return EPOCH + Math.floor(number / PER_MILLISECOND)
}

export function formatId(number: number): MessageId {
  return (digits(Math.floor(number / HALF), 6) + digits(number % HALF, 5)) as MessageId
}

/** `undefined` when the text is no id that `formatId` wrote. */
export function parseId(text: string): number | undefined {
  if (!SHAPE.test(text)) return undefined
  let number = 0
  for (const digit of text) number = number * 32 + DIGITS.indexOf(digit)
  return Number.isSafeInteger(number) ? number : undefined
}

export function formatDeliveryId(message: number, n: number): DeliveryId {
  return `${formatId(message)}-${n}` as DeliveryId
}

/** The message's text and the number of a delivery's id; `n` is absent in a message's own. */
export function splitId(text: string): { readonly message: string; readonly n?: number } {
  const match = /^([0-9a-z]{11})-(\d{1,9})$/.exec(text)
  return match === null ? { message: text } : { message: match[1]!, n: Number(match[2]) }
}

/** Gives ids above all that were given before. */
export function createIds(now: () => number, last: number): () => number {
  let before = last
  return () => (before = Math.max(before + 1, numberAt(now())))
}

function digits(value: number, count: number): string {
  let text = ''
  let rest = value
  for (let i = 0; i < count; i++) {
    text = DIGITS[rest % 32]! + text
    rest = Math.floor(rest / 32)
  }
  return text
}
