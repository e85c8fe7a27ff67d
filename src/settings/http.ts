// Where health and metrics are.

import { row, type ValuesOf } from './row.ts'
import * as values from './values.ts'

export const HTTP = {
  admin: row(
    'WAYPOST_ADMIN',
    'http://127.0.0.1:8025',
    values.readAdmin,
    'Where /healthz, /readyz and /metrics are; none: nowhere',
  ),
} as const

export type HttpSettings = ValuesOf<typeof HTTP>
