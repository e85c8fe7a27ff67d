// What is recorded of an attempt.

import { expect, test } from 'vitest'
import { factOf } from '../../src/delivery/decide/settlements.ts'

test('however many hosts talk, and however much, the notes of an attempt are short', () => {
  const notes = Array.from({ length: 200 }, (_, n) => `mx${n}.example: 554 ${'x'.repeat(8192)}`)
  const fact = factOf(0, 1, 'far.example', undefined, notes)
  expect(fact.notes?.at(-1)).toBe('and 180 more notes')
  expect(fact.notes?.[0]).toMatch(/^mx0\.example: 554 x+…$/)
  expect(JSON.stringify(fact.notes).length).toBeLessThan(10_000)
})
