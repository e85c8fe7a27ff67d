// What is left of texts that are too long.

import { expect, test } from 'vitest'
import { clip, enumerate } from '../../src/base/clip.ts'

test.for<[text: string, most: number, clipped: string]>([
  ['short', 5, 'short'],
  ['longer', 5, 'long…'],
  ['abc\u{1f600}def', 5, 'abc…'],
])('%j in %i characters is %j', ([text, most, clipped]) => {
  expect(clip(text, most)).toBe(clipped)
})

test('a list that is too long says how many it leaves out', () => {
  expect(enumerate(['a', 'b'], 2)).toBe('a, b')
  expect(enumerate(['a', 'b', 'c'], 2)).toBe('a, b and 1 more')
  expect(enumerate(['a', 'b', 'c'], 2, 3997)).toBe('a, b and 3,998 more')
})
