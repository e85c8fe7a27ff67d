// The shape of a file as JSON Schema (draft-07, which editors know): completion, and what is wrong
// while it is being written. What needs more than one value or file, only `waypost policy check` sees.

import type { Shape, ShapeKey } from './shape.ts'
import type { FileManual } from './manual.ts'

/** A schema of one file, ready to be printed as JSON. */
export type Schema = Readonly<Record<string, unknown>>

export function schemaOf({ name, says, shape }: FileManual): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: name,
    description: says,
    // An empty file means what a missing one does, and `[]` means none.
    anyOf: [{ type: 'null' }, { type: 'array', maxItems: 0 }, of(shape)],
  }
}

function of(shape: Shape): Schema {
  switch (shape.kind) {
    case 'value':
      return { ...shape.schema, description: shape.says }
    case 'list':
      return { type: 'array', minItems: 1, items: of(shape.of) }
    case 'named':
      return { type: 'object', additionalProperties: of(shape.of) }
    case 'either':
      return { description: shape.says, anyOf: shape.of.map(of) }
    case 'map':
      return mapOf(Object.entries(shape.keys))
  }
}

function mapOf(keys: readonly (readonly [name: string, key: ShapeKey])[]): Schema {
  const required = keys.filter(([, { absent }]) => absent === 'a mistake').map(([name]) => name)
  const described = keys.map(([name, { shape, says }]) => [
    name,
    { ...of(shape), description: says },
  ])
  return {
    type: 'object',
    properties: Object.fromEntries(described) as Schema,
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
  }
}
