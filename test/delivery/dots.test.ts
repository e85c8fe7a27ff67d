// Dot-stuffing against a plain reading of RFC 5321 4.5.2.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Dots, wrapContent } from '../../src/smtp/stuffing.ts'

/** As the RFC words it: line by line. */
function reference(content: string): string {
  const whole = content === '' || content.endsWith('\r\n') ? content : `${content}\r\n`
  return `${whole.replace(/^\./, '..').replaceAll('\r\n.', '\r\n..')}.\r\n`
}

const CASES: [content: string, sent: string][] = [
  ['', '.\r\n'],
  ['a\r\n', 'a\r\n.\r\n'],
  ['a', 'a\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['a\r\n.\r\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
  ['..\r\n..\r\n', '...\r\n...\r\n.\r\n'],
  ['a\r\n.', 'a\r\n..\r\n.\r\n'],
  ['a.b\r\n', 'a.b\r\n.\r\n'],
  ['a\r', 'a\r\r\n.\r\n'],
]
for (const [content, sent] of CASES) {
  test(`${JSON.stringify(content)} goes out as ${JSON.stringify(sent)}`, () => {
    expect(wrapContent(Buffer.alloc(0), Buffer.from(content)).toString()).toBe(sent)
  })
}

test('the prefix stands before the content, which begins a line of its own', () => {
  const sent = wrapContent(Buffer.from('A: b\r\n'), Buffer.from('.c\r\n'))
  expect(sent.toString()).toBe('A: b\r\n..c\r\n.\r\n')
})

test('content is stuffed alike however it is split', () => {
  const content = fc.array(fc.constantFrom('.', '\r\n', 'a', '\r', '..'), { maxLength: 60 })
  fc.assert(
    fc.property(content, fc.array(fc.nat({ max: 80 }), { maxLength: 20 }), (parts, cuts) => {
      const text = parts.join('')
      const places = [...new Set(cuts)].filter((at) => at <= text.length).sort((a, b) => a - b)
      const dots = new Dots()
      const pieces = [0, ...places].map((at, n) =>
        dots.push(Buffer.from(text.slice(at, places[n]))),
      )
      expect(Buffer.concat([...pieces, dots.end()]).toString()).toBe(reference(text))
      expect(wrapContent(Buffer.alloc(0), Buffer.from(text)).toString()).toBe(reference(text))
    }),
  )
})
