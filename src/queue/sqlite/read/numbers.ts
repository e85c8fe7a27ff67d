// The numbers that messages and deliveries have in the store.

import type { DatabaseSync } from 'node:sqlite'

import { parseId, splitId } from '../../ids.ts'

/** Numbers of messages and deliveries, as `fitter` compares them, from ids as people write them. */
export function numbersOf(db: DatabaseSync, ids: readonly string[]): Map<number, Set<string>> {
  const alias = db.prepare('SELECT id FROM message WHERE alias = ?')
  const numbers = new Map<number, Set<string>>()
  for (const id of ids) {
    const { message, n } = alias.get(id) === undefined ? splitId(id) : { message: id, n: undefined }
    const number = parseId(message) ?? (alias.get(message)?.['id'] as number | undefined)
    if (number === undefined) continue
    const names = numbers.get(number) ?? new Set()
    numbers.set(number, names.add(n === undefined ? `${number}` : `${number}-${n}`))
  }
  return numbers
}
