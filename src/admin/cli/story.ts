// The story of a message on a terminal: safe, and broken where the terminal ends.

import { printable } from '../../base/escape.ts'
import type { Trace } from '../../queue/port/reader.ts'
import { standings, Story, type Standing, type Told } from '../story/story.ts'
import { iso } from '../story/times.ts'
import { wrap } from './wrap.ts'

/** Where the words of a fact begin: behind its time and title. */
const INDENT = 26

/** Everything that is known of a message, as lines for a terminal of this width. */
export function explain(trace: Trace, now: number, width?: number): string[] {
  const story = new Story(trace)
  const facts = trace.facts.flatMap((fact) => factLines(story.tell(fact), width))
  return [...facts, '', ...standings(trace, now).flatMap((each) => standingLines(each, width))]
}

/** `2026-11-22T22:31:04.120Z  accepted    first`, and the rest under it. */
export function factLines({ at, title, texts }: Told, width?: number): string[] {
  const [first = '', ...rest] = texts
  const head = `${iso(at)}  ${title.padEnd(11)} ${first}`.trimEnd()
  const lines = [head, ...rest.map((text) => ' '.repeat(INDENT) + text)]
  return lines.flatMap((line) => wrap(printable(line), width, INDENT + 2))
}

export function standingLines({ to, text, stops }: Standing, width?: number): string[] {
  const lines = [`${to}: ${text}`, ...stops.map((stop) => `    ${stop}`)]
  return lines.flatMap((line) => wrap(printable(line), width, 4))
}
