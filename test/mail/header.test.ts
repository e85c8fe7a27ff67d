// The header of a message as fields (RFC 5322 2.2), byte by byte.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseHeader, valueOf } from '../../src/mail/header.ts'
import { runs } from '../peers/chance.ts'

function parse(text: string): { names: string[]; body: string } {
  const content = Buffer.from(text, 'latin1')
  const { fields, bodyStart } = parseHeader(content)
  const body = content.subarray(bodyStart).toString('latin1')
  return { names: fields.map(({ name }) => name), body }
}

const cases: [what: string, text: string, names: string[], body: string][] = [
  ['fields and a body', 'A: 1\r\nB: 2\r\n\r\nHi\r\n', ['a', 'b'], 'Hi\r\n'],
  ['no body', 'A: 1\r\nB: 2\r\n', ['a', 'b'], ''],
  ['an empty body', 'A: 1\r\n\r\n', ['a'], ''],
  ['no final CRLF', 'A: 1\r\nB: 2', ['a', 'b'], ''],
  ['no header', '\r\nHi\r\n', [], 'Hi\r\n'],
  ['nothing', '', [], ''],
  ['folded fields', 'A: 1\r\n 2\r\n\t3\r\nB:\r\n x\r\n\r\nHi', ['a', 'b'], 'Hi'],
  ['space before the colon', 'A \t: 1\r\n\r\n', ['a'], ''],
  ['a line that is no field', 'A: 1\r\nHi there\r\nB: 2\r\n', ['a'], 'Hi there\r\nB: 2\r\n'],
  ['a name with a space inside', 'A: 1\r\nFrom x: 1\r\n', ['a'], 'From x: 1\r\n'],
  ['a name with a no-break space', 'A: 1\r\nFrom\xa0: 1\r\n', ['a'], 'From\xa0: 1\r\n'],
  ['a name that is folded', 'A: 1\r\nFrom\r\n : 1\r\n', ['a'], 'From\r\n : 1\r\n'],
]
for (const [what, text, names, body] of cases) {
  test(`${what}: ${names.length} fields, and ${body.length} bytes behind them`, () => {
    expect(parse(text)).toEqual({ names, body })
  })
}

test('fields and body together are the content again, byte by byte', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom('\r\n', '\r\n ', '\r\n\t', ': ', 'From', 'To:', '\r', '\n', '\xa0'),
      fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    ),
  )
  fc.assert(
    fc.property(pieces, (given) => {
      const content = Buffer.from(given.join(''), 'latin1')
      const { fields, bodyStart } = parseHeader(content)
      const header = fields.map(({ raw }) => raw + '\r\n').join('')
      const top = content.toString('latin1', 0, bodyStart)
      expect([header, `${header}\r\n`, header.slice(0, -2)]).toContain(top)
    }),
    runs(3000),
  )
})

test('a value is one line, whatever its folding', () => {
  const [field] = parseHeader(Buffer.from('Subject:\r\n\tone\r\n  two \r\n\r\n')).fields
  expect(valueOf(field!)).toBe('one  two')
})
