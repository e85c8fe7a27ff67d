// Readers: from a place to a checked value. A reader that finds a mistake reports it
// and answers `undefined`; readers of maps and lists go on, so that all mistakes are found.
// Each file of policies is a table of keys. A reader has its shape beside it, from which the
// manual and the schema come.

import { closest } from '../base/closest.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../base/units.ts'
import type { ScalarSchema, Shape, ShapeKey } from './shape.ts'
import { doubt, entriesOf, fault, isEmpty, itemsOf, scalarOf, wrong } from './yaml.ts'
import type { Place } from './yaml.ts'

export interface Reader<T> {
  (place: Place): T | undefined
  readonly shape: Shape
}

/** One key of a map: its reader, what holds without it, and a sentence for people. */
export interface Key<T> extends ShapeKey {
  readonly read: Reader<T>
  readonly absent: { readonly value: T } | 'a mistake'
  readonly says: string
}

export interface Preset<T> extends Key<T> {
  readonly absent: { readonly value: T }
}

export type Table = Readonly<Record<string, Key<unknown>>>
export type ValuesOf<T extends Table> = {
  readonly [Name in keyof T]: T[Name] extends Key<infer Value> ? Value : never
}

export interface Placed<T> {
  readonly value: T
  readonly place: Place
}

export function required<T>(read: Reader<T>, says: string): Key<T> {
  return { read, shape: read.shape, absent: 'a mistake', says }
}

export function optional<T>(read: Reader<T>, says: string): Key<T | undefined> {
  return { read, shape: read.shape, absent: { value: undefined }, says }
}

export function preset<T>(value: T, read: Reader<T>, says: string): Preset<T> {
  return { read, shape: read.shape, absent: { value }, says }
}

/** A reader of that shape. */
export function shaped<T>(shape: Shape, read: (place: Place) => T | undefined): Reader<T> {
  return Object.assign((place: Place) => read(place), { shape })
}

/** What another reader takes, checked further or made into something else. */
export function refined<A, B>(
  read: Reader<A>,
  refine: (value: A, place: Place) => B | undefined,
): Reader<B> {
  return shaped(read.shape, (place) => {
    const value = read(place)
    return value === undefined ? undefined : refine(value, place)
  })
}

/** A scalar is read by the first, a map or a list by the second; `says` what both are. */
export function either<A, B>(says: string, scalar: Reader<A>, other: Reader<B>): Reader<A | B> {
  const of = [scalar.shape, other.shape]
  return shaped<A | B>({ kind: 'either', says, of }, (place) =>
    scalarOf(place) === undefined ? other(place) : scalar(place),
  )
}

/** A map with these keys and no others. */
export function map<T extends Table>(table: T): Reader<ValuesOf<T>> {
  return shaped({ kind: 'map', keys: table }, (place) => {
    const entries = entriesOf(place)
    if (entries === undefined) return wrong(place, `a map with ${nameAll(table)}`)
    const values: Record<string, unknown> = {}
    let sound = true
    for (const { key, value } of entries) {
      const known = Object.hasOwn(table, key.name) ? table[key.name] : undefined
      const read = known === undefined ? unknownKey(key, table) : known.read(value)
      values[key.name] = read
      sound &&= read !== undefined
    }
    for (const [name, { absent, says }] of Object.entries(table)) {
      if (Object.hasOwn(values, name)) continue
      if (absent === 'a mistake') sound = fault(place, `has no "${name}": ${says}`) ?? false
      else values[name] = absent.value
    }
    return sound ? (values as ValuesOf<T>) : undefined
  })
}

/** A list with at least one value; each value is called `name` in messages, or as the list is. */
export function list<T>(read: Reader<T>, name?: string): Reader<readonly T[]> {
  return shaped({ kind: 'list', of: read.shape }, (place) => {
    const items = itemsOf(place, name)
    if (items === undefined && !isEmpty(place) && scalarOf(place) !== undefined)
      return wrong(place, `a list: ['${String(scalarOf(place))}']`)
    if (items === undefined || items.length === 0)
      return wrong(place, 'a list with at least one value')
    const values = items.map(read)
    return values.every((value) => value !== undefined) ? values : undefined
  })
}

/** The rules of a file that are sound; the others are reported, and checks go on without them. */
export function rules<T>(read: Reader<T>, name: string): Reader<readonly T[]> {
  return shaped({ kind: 'list', of: read.shape }, (place) => {
    const sound: T[] = []
    const collect = shaped(read.shape, (item): true => {
      const rule = read(item)
      if (rule !== undefined) sound.push(rule)
      return true
    })
    return list(collect, name)(place) && sound
  })
}

/** The value with its place, for checks that need more than the value. */
export function placed<T>(read: Reader<T>): Reader<Placed<T>> {
  return refined(read, (value, place) => ({ value, place }))
}

export const text: Reader<string> = scalar('text', { type: 'string' }, (place) => {
  const value = scalarOf(place)
  if (typeof value === 'string' && value !== '') return value
  const quote = value === undefined || value === '' ? '' : ': put it in quotes'
  return wrong(place, `text${quote}`)
})

/** Text that the parser takes; `expected` says what that is. */
export function parsed<T>(
  parse: (text: string) => T | undefined,
  expected: string,
  schema: ScalarSchema = { type: 'string' },
): Reader<T> {
  return scalar(expected, schema, (place) => {
    const value = scalarOf(place)
    const result = typeof value === 'string' ? parse(value) : undefined
    return result ?? wrong(place, expected)
  })
}

const LONGEST = 3650 * 86_400_000
const LARGEST = 1024 ** 4
// As `parseDuration` and `parseSize` read them, for editors.
const DURATION = '^[0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h|d)$'
const SIZE = '^[0-9]{1,12}(\\.[0-9]{1,3})?([Bb]|[KkMmGgTt][Bb])$'

/** Milliseconds, more than none and at most ten years. */
export const duration = quantity(
  parsed(parseDuration, 'a duration such as 30s, 5m, 2h or 5d', {
    type: 'string',
    pattern: DURATION,
  }),
  LONGEST,
  'a duration from 1ms to 3650d',
  (value) => formatDuration(value).replace(' ', ''),
)

/** Bytes, more than none: to clients `SIZE 0` would mean that there is no limit (RFC 1870 3). */
export const size = quantity(
  parsed(parseSize, 'a size such as 50MB', { type: 'string', pattern: SIZE }),
  LARGEST,
  'a size from 1B to 1TB',
  formatSize,
)

function quantity(
  read: Reader<number>,
  most: number,
  expected: string,
  write: (value: number) => string,
): Reader<number> {
  const within = (value: number, place: Place): number | undefined =>
    value >= 1 && value <= most ? value : wrong(place, expected)
  return shaped({ ...read.shape, write } as Shape, refined(read, within))
}

export function count(minimum: number, maximum: number): Reader<number> {
  const says = `a whole number from ${minimum} to ${maximum}`
  return scalar(says, { type: 'integer', minimum, maximum }, (place) => {
    const value = scalarOf(place)
    if (
      typeof value === 'number' &&
      Number.isInteger(value) &&
      value >= minimum &&
      value <= maximum
    )
      return value
    return wrong(place, says)
  })
}

export const truth: Reader<boolean> = scalar('true or false', { type: 'boolean' }, (place) => {
  const value = scalarOf(place)
  return typeof value === 'boolean' ? value : wrong(place, 'true or false')
})

export function oneOf<const T extends string>(words: readonly T[], expected?: string): Reader<T> {
  const find = (value: string): T | undefined => words.find((word) => word === value)
  return parsed(find, expected ?? inWords(words), { enum: words })
}

function scalar<T>(
  says: string,
  schema: ScalarSchema,
  read: (place: Place) => T | undefined,
): Reader<T> {
  return shaped({ kind: 'value', says, schema }, read)
}

/** Says that a rule can never decide. */
export function hidden(place: Place, by: Place): void {
  doubt(place, `never decides: ${by.at} fits all that it fits, and comes first`)
}

function unknownKey(key: Place, table: Table): undefined {
  const near = closest(key.name, Object.keys(table))
  const hint = near === undefined ? `known are ${nameAll(table)}` : `did you mean "${near}"`
  return fault(key, `is no known key, ${hint}`)
}

function nameAll(table: Table): string {
  return Object.keys(table).join(', ')
}

function inWords(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
