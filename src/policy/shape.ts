// What a reader takes, as data. Checks go by the reader; the schema for editors and the manual of
// each file come from its shape, so that they cannot say anything else.

/** A shape by kind: one scalar, a list, a map with known keys, a map with names as keys, or one of several. */
export type Shape =
  | {
      readonly kind: 'value'
      /** What it should be, for people: "a duration such as 30s, 5m, 2h or 5d". */
      readonly says: string
      /** JSON Schema of the scalar. */
      readonly schema: ScalarSchema
      /** A value of it as operators would write it; without: as it is. */
      readonly write?: (value: never) => string
    }
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: 'map'; readonly keys: Readonly<Record<string, ShapeKey>> }
  | { readonly kind: 'named'; readonly name: string; readonly of: Shape }
  | { readonly kind: 'either'; readonly says: string; readonly of: readonly Shape[] }

export type ScalarSchema =
  | { readonly type: 'string'; readonly pattern?: string }
  | { readonly type: 'integer'; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'boolean' }
  | { readonly enum: readonly string[] }

/** One key of a map. */
export interface ShapeKey {
  readonly shape: Shape
  readonly absent: { readonly value: unknown } | 'a mistake'
  readonly says: string
}
