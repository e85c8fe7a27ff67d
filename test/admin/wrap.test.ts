import { array, assert, integer, property, stringMatching } from 'fast-check'
import { expect, test } from 'vitest'
import { wrap } from '../../src/admin/cli/wrap.ts'

test('no word is lost, and only words wider than the terminal run over', () => {
  const word = stringMatching(/^[a-z]{1,30}$/)
  assert(
    property(array(word, { minLength: 1 }), integer({ min: 24, max: 90 }), (words, width) => {
      const lines = wrap(`  ${words.join(' ')}`, width, 4)
      expect(lines.join(' ').trim().split(/\s+/)).toEqual(words)
      for (const line of lines)
        if (line.length > width) expect(line.trim().split(' ')).toHaveLength(1)
      for (const line of lines.slice(1)) expect(line).toMatch(/^ {4}\S/)
    }),
  )
})

test('without a terminal nothing is broken', () => {
  const long = 'word '.repeat(100).trim()
  expect(wrap(long, undefined, 4)).toEqual([long])
})
