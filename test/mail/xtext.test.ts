// xtext and the UTF-8 address forms (RFC 3461 4, RFC 6533 3).

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeUtf8Xtext,
  decodeXtext,
  encodeUtf8Xtext,
  encodeXtext,
  parseOriginalRecipient,
} from '../../src/mail/xtext.ts'

const text = fc.string({ unit: 'binary' })

test('xtext gives back what went in, and is printable ASCII', () => {
  fc.assert(
    fc.property(text, (given) => {
      const encoded = encodeXtext(given)
      expect(encoded).toMatch(/^[!-*,-<>-~]*(?:\+[0-9A-F]{2}[!-*,-<>-~]*)*$/)
      expect(decodeXtext(encoded)).toBe(given)
    }),
  )
})

test('utf-8-addr-xtext gives back what went in, and is xtext', () => {
  fc.assert(
    fc.property(text, (given) => {
      const encoded = encodeUtf8Xtext(given)
      expect(encoded).toMatch(/^[!-*,-<>-~]*$/)
      expect(decodeUtf8Xtext(encoded)).toBe(given)
    }),
  )
})

test('nothing a stranger writes makes a decoder throw', () => {
  const pieces = fc.constantFrom('+', '=', '\\x{', '}', 'D800', '110000', '41', 'utf-8;', 'é', '\n')
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, text)), (given) => {
      const joined = given.join('')
      for (const decode of [decodeXtext, decodeUtf8Xtext, parseOriginalRecipient]) decode(joined)
    }),
  )
})

const cases: [orcpt: string, type: string | undefined, address: string | undefined][] = [
  ['rfc822;Bob@Example.COM', 'rfc822', 'Bob@Example.COM'],
  ['rfc822;a+2Bb@far.example', 'rfc822', 'a+b@far.example'],
  ['utf-8;b\\x{F6}@far.example', 'utf-8', 'bö@far.example'],
  ['utf-8;bö@far.example', 'utf-8', 'bö@far.example'],
  ['x400;/C=no/', undefined, undefined], // "=" stands for itself nowhere in xtext
  ['rfc822;a+zz', undefined, undefined],
  ['utf-8;\\x{110000}', undefined, undefined],
  ['utf-8;\\x{D800}', undefined, undefined],
  ['rfc 822;a', undefined, undefined],
  [';a', undefined, undefined],
  ['a', undefined, undefined],
]
for (const [orcpt, type, address] of cases) {
  test(`ORCPT=${orcpt} is ${type === undefined ? 'no address' : `${type}, ${address}`}`, () => {
    const expected = type === undefined ? undefined : { type, address }
    expect(parseOriginalRecipient(orcpt)).toEqual(expected)
  })
}
