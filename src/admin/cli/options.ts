// Options of commands: those that mail is sought by, and those with a default, which help shows as a
// person would write it.

import { InvalidArgumentError, Option, type Command } from 'commander'
import { QueryError, TERMS } from '../query/terms.ts'

/** An option that is `read(fallback)` when it is not given. */
export function optionOf(
  flags: string,
  says: string,
  read: (text: string) => unknown,
  fallback: string,
): Option {
  return new Option(flags, says).argParser(told(read)).default(read(fallback), fallback)
}

/** One option for each term of a query. */
export function addFilters(command: Command): Command {
  for (const { word, value, says, read } of TERMS)
    command.option(`--${word} ${value}`, says, told(read))
  return command
}

/** For options that may be given again. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/** Commander says which option it was that could not be read. */
function told<Given extends unknown[], Value>(
  read: (...given: Given) => Value,
): (...given: Given) => Value {
  return (...given) => {
    try {
      return read(...given)
    } catch (error) {
      throw error instanceof QueryError ? new InvalidArgumentError(error.message) : error
    }
  }
}
