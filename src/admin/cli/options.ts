// Options with a default, and the readers of their values that several commands share. Help shows
// a default as a person would write it.

import { InvalidArgumentError, Option } from 'commander'
import { parseDuration } from '../../base/units.ts'

/** An option that is `read(fallback)` when it is not given. */
export function optionOf(
  flags: string,
  says: string,
  read: (text: string) => unknown,
  fallback: string,
): Option {
  return new Option(flags, says).argParser(read).default(read(fallback), fallback)
}

export function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('Write a whole number from 1 on.')
  return Number(text)
}

/** Milliseconds. */
export function readTime(text: string): number {
  const time = parseDuration(text)
  if (time === undefined) throw new InvalidArgumentError('Write a duration such as 30m, 2h or 5d.')
  return time
}

export function readText(text: string): string {
  return text
}

/** For options that may be given again. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
