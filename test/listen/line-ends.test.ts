// Every LF ends a line with CRLF, nothing else ends one, and nothing else changes.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineEnds } from '../../src/smtp/line-ends.ts'
import { runs } from '../peers/chance.ts'

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

test('only a LF ends a line, and a CR that stands elsewhere is a space, however content is split', () => {
  const text = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', '\r\r\n', 'a', 'bc', '\xff', '\t'), {
      maxLength: 40,
    })
    .map((parts) => parts.join(''))
  const splits = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(text, splits, (raw, sizes) => {
      const expected = raw
        .replaceAll(/\r+$/g, '\r\n')
        .replaceAll(/\r*\n/g, '\r\n')
        .replaceAll(/\r+(?!\n)/g, ' ')
      expect(normalise(raw, sizes)).toEqual({ text: expected, bare: expected !== raw })
    }),
    runs(5000),
  )
})

const CRS: [raw: string, text: string][] = [
  ['A: 1\r\r\nB: 2\r\r\n\r\r\nHi\r\n', 'A: 1\r\nB: 2\r\n\r\nHi\r\n'],
  ['Subject: s\rContent-Type: text/html\r\r<p>\r\n', 'Subject: s Content-Type: text/html <p>\r\n'],
  ['A: 1\r\n\rB: 2\r\n', 'A: 1\r\n B: 2\r\n'],
  ['A: 1\r\r\r\r\n', 'A: 1\r\n'],
  ['A: 1\nB: 2\n', 'A: 1\r\nB: 2\r\n'],
  ['A: 1\r', 'A: 1\r\n'],
]
for (const [raw, text] of CRS)
  test(`${JSON.stringify(raw)} becomes ${JSON.stringify(text)}`, () => {
    for (const size of [1, 2, 3, 5, 100])
      expect(normalise(raw, [size])).toEqual({ text, bare: true })
  })

test('a run of CRs as long as a message is one space, and costs no memory', () => {
  const lineEnds = new LineEnds()
  let size = 0
  for (let n = 0; n < 100; n++) size += lineEnds.take(Buffer.alloc(65_536, '\r')).length
  expect(size).toBe(0)
  expect(lineEnds.take(Buffer.from('x')).toString()).toBe(' x')
})

test('sound content is not copied', () => {
  const chunk = Buffer.from('a\r\nb\r\n')
  expect(new LineEnds().take(chunk)).toBe(chunk)
})

test('sound content that is cut between CR and LF is whole, and sound', () => {
  expect(normalise('a\r\nb\r\nc\r\n', [2])).toEqual({ text: 'a\r\nb\r\nc\r\n', bare: false })
})
