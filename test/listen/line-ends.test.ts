// Every line end becomes CRLF, and nothing else changes.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineEnds } from '../../src/listen/line-ends.ts'

function normalise(text: string, sizes: readonly number[]): { text: string; bare: boolean } {
  const lineEnds = new LineEnds()
  const parts: Buffer[] = []
  for (let at = 0, n = 0; at < text.length; n++) {
    const size = sizes[n % sizes.length]!
    parts.push(lineEnds.take(Buffer.from(text.slice(at, at + size), 'latin1')))
    at += size
  }
  const last = lineEnds.end()
  if (last !== undefined) parts.push(last)
  return { text: Buffer.concat(parts).toString('latin1'), bare: lineEnds.bare }
}

test('bare CR and LF become CRLF, however content is split', () => {
  const text = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', 'a', 'bc', '\xff', '\t'), { maxLength: 40 })
    .map((parts) => parts.join(''))
  const splits = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(text, splits, (raw, sizes) => {
      const expected = raw.replaceAll(/\r\n|\r|\n/g, '\r\n')
      expect(normalise(raw, sizes)).toEqual({ text: expected, bare: expected !== raw })
    }),
    { numRuns: 5000 },
  )
})

test('sound content is not copied', () => {
  const chunk = Buffer.from('a\r\nb\r\n')
  expect(new LineEnds().take(chunk)).toBe(chunk)
})
