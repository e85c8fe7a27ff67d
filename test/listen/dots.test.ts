// RFC 5321 4.5.2 against a reference that sees all bytes at once.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DotReader } from '../../src/smtp/unstuffing.ts'
import { runs } from '../peers/chance.ts'
import { growth, LINEAR } from '../peers/growth.ts'

/** What is most likely to go wrong: dots and halves of line ends. */
const awkward = fc
  .array(
    fc.constantFrom(
      '.',
      '..',
      '\r',
      '\n',
      '\r\n',
      '\r\n.',
      '\r\n..',
      'a',
      'bc',
      '\r\n.\r',
      '\0',
      '\n.',
      '\n..',
    ),
    {
      maxLength: 40,
    },
  )
  .map((parts) => parts.join(''))
const splits = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 })

/** Of a dot behind CRLF nothing stays, and of two behind a LF alone the first. */
function unstuff(text: string): string {
  return text.replaceAll(/(\r\n)\.|((?<!\r)\n\.)\./g, '$1$2')
}

/** Content up to the first line that is a lone dot, and how many bytes that took. */
function reference(text: string): { content: string; used: number } | undefined {
  const whole = `\r\n${text}`
  const end = whole.indexOf('\r\n.\r\n')
  if (end === -1) return undefined
  const content = unstuff(whole.slice(0, end + 2))
  return { content: content.slice(2), used: end + 3 }
}

function read(
  text: string,
  sizes: readonly number[],
): { content: string; used: number } | undefined {
  const reader = new DotReader()
  let content = ''
  let at = 0
  for (let n = 0; at < text.length; n++) {
    const chunk = Buffer.from(text.slice(at, at + sizes[n % sizes.length]!), 'latin1')
    const end = reader.feed(chunk, 0, (piece) => (content += piece.toString('latin1')))
    if (end !== -1) return { content, used: at + end }
    at += chunk.length
  }
  return undefined
}

test('content ends at CRLF.CRLF and loses its added dots, however it is split', () => {
  fc.assert(
    fc.property(awkward, splits, (text, sizes) => {
      for (const stream of [`${text}\r\n.\r\nQUIT\r\n`, `${text}.\r\n`, text])
        expect(read(stream, sizes)).toEqual(reference(stream))
    }),
    runs(3000),
  )
})

test('a stuffed body arrives as it was written, however it is split', () => {
  fc.assert(
    fc.property(awkward, splits, (text, sizes) => {
      const body = `${text}\r\n`
      const stuffed = `\r\n${body}`.replaceAll('\r\n.', '\r\n..').slice(2)
      const left = body.replaceAll(/((?<!\r)\n\.)\./g, '$1')
      expect(read(`${stuffed}.\r\n`, sizes)?.content).toBe(left)
    }),
    runs(2000),
  )
})

const BEHIND_LF: [who: string, sent: string, written: string][] = [
  ['doubles all dots, as Python does', 'a\n..profile\n..\n...\nb\r\n', 'a\n.profile\n.\n..\nb\r\n'],
  ['doubles none of them, as curl does', 'a\n.profile\n.\nb\r\n', 'a\n.profile\n.\nb\r\n'],
]
for (const [who, sent, written] of BEHIND_LF)
  test(`the dots of a client that ends lines with LF and ${who} are those of its text`, () => {
    for (const size of [1, 2, 3, 100]) expect(read(`${sent}.\r\n`, [size])?.content).toBe(written)
  })

test('an empty message is a dot at once', () => {
  expect(read('.\r\nQUIT\r\n', [100])).toEqual({ content: '', used: 3 })
})

const NO_END = ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r', '\r\n..\r\n', '\n\n.\n\n', '.\n']
for (const text of NO_END)
  test(`${JSON.stringify(text)} does not end content`, () => {
    expect(read(`a${text}b`, [1])).toBeUndefined()
    expect(read(`a${text}b`, [100])).toBeUndefined()
  })

test('each of many dots is taken out with one move of what lies before the next', () => {
  const reader = new DotReader()
  const readAll = (lines: number): void => {
    let size = 0
    reader.feed(Buffer.from('..\r\n'.repeat(lines)), 0, (piece) => (size += piece.length))
    expect(size).toBe(lines * 3)
  }
  expect(growth(readAll, 1600)).toBeLessThan(LINEAR)
})
