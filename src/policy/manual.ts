// What can be written in each file of policies/ and queues/, from the very tables that it is read by.

import { listenRules } from './listen.ts'
import { QUEUE_SHAPE } from './queues.ts'
import { relayRules } from './relay.ts'
import { routingRules } from './routing.ts'
import type { Shape, ShapeKey } from './shape.ts'
import { shapingRules } from './shaping.ts'
import { signingEntries } from './signing.ts'
import { users } from './users.ts'

/** One kind of file. */
export interface FileManual {
  /** As operators call it: `routing.yaml`, `queues/*.yaml`. */
  readonly name: string
  /** The question that it answers. */
  readonly says: string
  /** What holds without it. */
  readonly without: string
  readonly shape: Shape
}

/** One key that can be written, with those that it stands under: `via.port`, `keys[].file`. */
export interface ManualRow {
  readonly key: string
  /** What it should be: "a whole number from 1 to 65535". */
  readonly takes: string
  /** What holds without it, as it would be written; absent where there is nothing. */
  readonly default?: string
  readonly required: boolean
  readonly says: string
}

export const FILES: readonly FileManual[] = [
  {
    name: 'relay.yaml',
    says: 'Who may send through this relay?',
    without: 'nobody',
    shape: relayRules.shape,
  },
  {
    name: 'users.yaml',
    says: 'Who may log in, and as which senders? Written by `waypost user add`',
    without: 'nobody',
    shape: users.shape,
  },
  {
    name: 'routing.yaml',
    says: 'Where does each recipient go, and on which queue?',
    without: 'nowhere: `550 5.4.4`',
    shape: routingRules(new Set()).shape,
  },
  {
    name: 'signing.yaml',
    says: 'Which DKIM keys sign for which domains?',
    without: 'unsigned',
    shape: signingEntries.shape,
  },
  {
    name: 'listen.yaml',
    says: 'What may clients do, how much, how long?',
    without: 'the defaults',
    shape: listenRules.shape,
  },
  {
    name: 'shaping.yaml',
    says: 'How many connections may a site see, how many messages on each?',
    without: '20, and 100 on each',
    shape: shapingRules.shape,
  },
  {
    name: 'queues/*.yaml',
    says: 'How urgent is mail on this queue, when is it tried again, when is it given up?',
    without: 'the defaults',
    shape: QUEUE_SHAPE,
  },
]

/** By `routing`, `routing.yaml`, `queues`, or the name of a file in queues/. */
export function fileNamed(name: string): FileManual | undefined {
  const plain = name.replace(/^policies\//, '').replace(/\.yaml$/, '')
  const found = FILES.find((file) => file.name === `${plain}.yaml`)
  return found ?? (/^queues(\/|$)/.test(plain) ? FILES.at(-1) : undefined)
}

/** All keys of a file in the order of its table. */
export function rowsOf({ shape }: FileManual): ManualRow[] {
  return rowsIn(shape, '')
}

/** What the whole file is: "a list of maps". */
export function formOf({ shape }: FileManual): string {
  return takes(shape)
}

function rowsIn(shape: Shape, path: string): ManualRow[] {
  switch (shape.kind) {
    case 'value':
      return []
    case 'list':
      return rowsIn(shape.of, path === '' ? '' : `${path}[]`)
    case 'named':
      return rowsIn(shape.of, `${path}<${shape.name}>`)
    case 'either':
      return shape.of.flatMap((each) => rowsIn(each, path))
    case 'map':
      return Object.entries(shape.keys).flatMap(([name, key]) =>
        rowsOfKey(path === '' ? name : `${path}.${name}`, key),
      )
  }
}

function rowsOfKey(key: string, { shape, absent, says }: ShapeKey): ManualRow[] {
  const value = absent === 'a mistake' ? undefined : write(shape, absent.value)
  const row = { key, takes: takes(shape), required: absent === 'a mistake', says }
  return [value === undefined ? row : { ...row, default: value }, ...rowsIn(shape, key)]
}

function takes(shape: Shape): string {
  switch (shape.kind) {
    case 'value':
      return shape.says
    case 'list':
      return shape.of.kind === 'map' ? 'a list of maps' : `a list; each: ${takes(shape.of)}`
    case 'named':
      return `a map from the name of a ${shape.name} to ${takes(shape.of)}`
    case 'either':
      return shape.says
    case 'map':
      return 'a map'
  }
}

/** A default as operators would write it; nothing where its keys have defaults of their own. */
function write(shape: Shape, value: unknown): string | undefined {
  if (value === undefined || shape.kind === 'map') return undefined
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    const each = shape.kind === 'list' ? shape.of : shape
    return `[${value.map((one: unknown) => write(each, one)).join(', ')}]`
  }
  if (shape.kind === 'value' && shape.write !== undefined) return shape.write(value as never)
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return "'*'" // the only pattern that stands for a key that is left out
}
