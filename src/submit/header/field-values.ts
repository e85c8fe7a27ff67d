// What applications write into Date and Message-ID, and what it is worth: a value that says nothing
// is as good as none (RFC 6409 8.2, 8.3).

/** It holds an id: not only brackets, nor a `@` with nothing on one of its sides. */
export function isMessageId(value: string): boolean {
  return !/^[\s<>]*@?[\s<>]*$|^\s*<?\s*@|@\s*>?\s*$/.test(value.slice(0, 1000))
}

/** It holds a number: `Invalid Date`, `null` and what else programs print instead do not. */
export function isDate(value: string): boolean {
  return /[0-9]/.test(value)
}

const ISO_DATE =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)? ?(?:(Z|UTC|GMT)|([+-])(\d\d):?(\d\d)?)?$/i

/**
 * The moment, in milliseconds since 1970, that a date of ISO 8601 (RFC 3339) means; without a zone
 * it is taken for UTC. `undefined`: it is no such date.
 */
export function parseIsoDate(value: string): number | undefined {
  const match = value.length > 60 ? null : ISO_DATE.exec(value)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((digits) => Number(digits ?? 0))
  const local = Date.UTC(year!, month! - 1, day, hour, minute, second)
  // What is no day of the calendar would come out as another one.
  const isDay = year! > 99 && month! < 13 && new Date(local).getUTCDate() === day
  const zoneHours = Number(match[9] ?? 0)
  if (!isDay || hour! > 23 || minute! > 59 || zoneHours > 23) return undefined
  const offset = (zoneHours * 60 + Number(match[10] ?? 0)) * 60_000
  return match[8] === '-' ? local + offset : local - offset
}
