// Replies read from bytes, however they arrive and whoever wrote them.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ReplyReader } from '../../src/smtp/reply-reader.ts'
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
  ['220-mx\r\n521 5.7.1 Blocked\r\n', { code: 521, status: '5.7.1', text: 'Blocked\n220-mx' }],
  [
    '550-5.1.1 No such user\r\n553 5.1.1 try another\r\n',
    { code: 553, status: '5.1.1', text: 'try another\n550-5.1.1 No such user' },
  ],
  ['250-2.0.0 taken\r\n251 on its way\r\n', { code: 251, text: 'on its way\n250-2.0.0 taken' }],
  [
    '550-See\r\nhttp://x.example\r\n550 for why\r\n',
    { code: 550, text: 'See\nhttp://x.example\nfor why' },
  ],
  ['250\tok\r\n', { code: 250, text: 'ok' }],
  ['250_ok\r\n', { code: 250, text: 'ok' }],
  ['550 caf\u00e9\r\n', { code: 550, text: 'caf\u00e9' }],
]
for (const [bytes, reply] of READ) {
  test(`${JSON.stringify(bytes)} is read`, () => {
    expect(read(bytes).replies).toEqual([reply])
  })
}

test.for(['hello\r\n', '25\r\n', '2500 ok\r\n', '250ok\r\n', '999 no\r\n', 'HTTP/1.1 400 Bad\r\n'])(
  '%j is no reply: it is kept, and the reply that follows is read',
  (bytes) => {
    const noise = read(bytes, 'and more\r\n').reader
    expect(noise.noise).toBe(`"${bytes.trim()}"`)
    expect(noise.unread).toBe(noise.noise)
    const { replies, reader } = read(bytes, '250 ok\r\n')
    expect(replies).toEqual([{ code: 250, text: 'ok' }])
    expect(reader.unread).toBeUndefined()
  },
)

test.for([
  ['250-taken\r\n550 or not\r\n', '"250-taken 550 or not"'],
  ['451-later\r\nor\r\n250 taken\r\n', '"451-later or 250 taken"'],
  ['250-taken\r\n251 and sent on\r\n', undefined],
  ['550-no\r\n451 later\r\n', undefined],
  ['250-taken\r\nthanks\r\n250 all of it\r\n', undefined],
] as const)('whether %j says yes and no is told', ([bytes, words]) => {
  const told: (string | undefined)[] = []
  new ReplyReader((_, torn) => told.push(torn)).push(Buffer.from(bytes))
  expect(told).toEqual([words])
})

test.for(['250', '250-half', '250-one\r\n', '250-one\r\n250-tw'])(
  'what began with %j and has not ended is known',
  (bytes) => {
    expect(read(bytes).reader.unread).toBe(`"${bytes.split('\r\n')[0]}"`)
  },
)

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

test.for([
  '250 ' + 'x'.repeat(70_000),
  '250-x\r\n'.repeat(11_000),
  'x\r\n'.repeat(25_000),
  '\r\n'.repeat(40_000),
])('a reply without an end is given up after 64 KB, and its first words are kept', (endless) => {
  const { replies, reader } = read(endless)
  expect(replies).toEqual([])
  const first = endless.split('\r\n')[0]!.slice(0, 80)
  expect(reader.garbled).toBe(`sent a reply without an end: "${first}"`)
})

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
      expect(split.reader.unread).toBeUndefined()
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
