// Replies read from bytes, however they arrive and whoever wrote them.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ReplyReader } from '../../src/delivery/reply-reader.ts'
import type { Reply } from '../../src/mail/reply.ts'

function read(...chunks: (string | Uint8Array)[]): { replies: Reply[]; reader: ReplyReader } {
  const replies: Reply[] = []
  const reader = new ReplyReader((reply) => replies.push(reply))
  for (const chunk of chunks) reader.push(Buffer.from(chunk as string))
  return { replies, reader }
}

const READ: [bytes: string, reply: Reply][] = [
  ['250 ok\r\n', { code: 250, text: 'ok' }],
  ['250\r\n', { code: 250, text: '' }],
  ['250 \r\n', { code: 250, text: '' }],
  ['250 ok\n', { code: 250, text: 'ok' }],
  ['550 5.1.1 No such user\r\n', { code: 550, status: '5.1.1', text: 'No such user' }],
  ['250 2.0.0\r\n', { code: 250, status: '2.0.0', text: '' }],
  ['421 5.7.32 no alignment\r\n', { code: 421, text: '5.7.32 no alignment' }],
  ['550 5.1.1234 odd\r\n', { code: 550, text: '5.1.1234 odd' }],
  ['421 RP-001 too fast\r\n', { code: 421, text: 'RP-001 too fast' }],
  ['550-5.7.1 No\r\n550 5.7.1 mail\r\n', { code: 550, status: '5.7.1', text: 'No\nmail' }],
  ['550-5.7.1 No\r\n550 mail\r\n', { code: 550, status: '5.7.1', text: 'No\nmail' }],
  ['550-No\r\n550 5.7.1 mail\r\n', { code: 550, text: 'No\n5.7.1 mail' }],
  ['250-mx\r\n250 SIZE\r\n', { code: 250, text: 'mx\nSIZE' }],
  ['550 caf\u00e9\r\n', { code: 550, text: 'caf\u00e9' }],
]
for (const [bytes, reply] of READ) {
  test(`${JSON.stringify(bytes)} is read`, () => {
    expect(read(bytes).replies).toEqual([reply])
  })
}

test.for([
  'hello\r\n',
  '25\r\n',
  '\r\n',
  '2500 ok\r\n',
  '999 no\r\n',
  '250_ok\r\n',
  'HTTP/1.1 400 Bad\r\n',
])('%j is no reply, and nothing after it is read', (bytes) => {
  const { replies, reader } = read(bytes, '250 ok\r\n')
  expect(replies).toEqual([])
  expect(reader.garbled).toContain('no SMTP reply')
})

test('lines of one reply with two codes are no reply', () => {
  expect(read('250-a\r\n550 b\r\n').reader.garbled).toContain('two codes, 250 and 550')
})

test('of a long reply 100 lines and 8 KB are kept, and it still ends where it ends', () => {
  const { replies } = read('250-x\r\n'.repeat(500) + '250 last\r\n250 next\r\n')
  expect(replies[0]?.text.split('\n')).toHaveLength(100)
  expect(replies[1]).toEqual({ code: 250, text: 'next' })
  const wide = read(`250-${'y'.repeat(1500)}\r\n`.repeat(30) + '250 last\r\n').replies
  expect(wide[0]!.text.length).toBeLessThanOrEqual(8 * 1024 + 100)
})

test('a line longer than 2 KB is cut', () => {
  const { replies } = read(`550 ${'z'.repeat(10_000)}\r\n250 next\r\n`)
  expect(replies[0]!.text.length).toBeLessThanOrEqual(2048)
  expect(replies[1]).toEqual({ code: 250, text: 'next' })
})

test.for(['250 ' + 'x'.repeat(70_000), '250-x\r\n'.repeat(11_000)])(
  'a reply without an end is given up after 64 KB',
  (endless) => {
    const { replies, reader } = read(endless)
    expect(replies).toEqual([])
    expect(reader.garbled).toContain('without an end')
  },
)

test('what is read does not depend on how it was split', () => {
  const line = fc.stringMatching(/^[ -~]{0,60}$/)
  const reply = fc
    .tuple(fc.integer({ min: 200, max: 559 }), fc.array(line, { minLength: 1, maxLength: 6 }))
    .map(([code, lines]) =>
      lines.map((text, n) => `${code}${n === lines.length - 1 ? ' ' : '-'}${text}\r\n`).join(''),
    )
  const replies = fc.array(reply, { minLength: 1, maxLength: 8 }).map((all) => all.join(''))
  fc.assert(
    fc.property(replies, fc.array(fc.nat({ max: 400 }), { maxLength: 30 }), (bytes, cuts) => {
      const whole = read(bytes)
      const places = [...new Set(cuts)].filter((at) => at < bytes.length).sort((a, b) => a - b)
      const pieces = [0, ...places].map((at, n) => bytes.slice(at, places[n]))
      const split = read(...pieces)
      expect(split.replies).toEqual(whole.replies)
      expect(split.reader.partial).toBe(false)
    }),
  )
})

test('no bytes at all make it throw, or keep more than it may', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc
      .array(fc.constantFrom('250', '-', ' ', '\r', '\n', '5.1.1', '\0', '\xff'), {
        maxLength: 200,
      })
      .map((parts) => Buffer.from(parts.join(''), 'latin1')),
  )
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 10 }), (chunks) => {
      const { replies } = read(...chunks)
      for (const { code, text } of replies) {
        expect(code).toBeGreaterThanOrEqual(100)
        expect(text.length).toBeLessThanOrEqual(8 * 1024 + 100)
      }
    }),
  )
})
