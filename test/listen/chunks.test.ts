// BDAT (RFC 3030) against a reference: whatever the bytes, the chunks and the packets, content
// arrives as it was, and no byte of it is a command.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { startWorld } from './world.ts'
import { runs } from '../peers/chance.ts'

const text = fc
  .array(
    fc.constantFrom(
      '.',
      '\r\n',
      '\r\n.\r\n',
      'QUIT\r\n',
      'BDAT 3\r\n',
      'a',
      '\0',
      '\xe9',
      'RSET\r\n',
    ),
    { maxLength: 30 },
  )
  .map((parts) => `a: b\r\n\r\n${parts.join('')}`)
const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 10 })

/** The text as BDAT commands and their bytes, and the reply to each. */
function chunked(
  content: string,
  lengths: readonly number[],
): { bytes: string; replies: string[] } {
  let bytes = ''
  const replies: string[] = []
  for (let at = 0, n = 0; at < content.length; n++) {
    const part = content.slice(at, at + (lengths[n % lengths.length]! || (n % 2 === 0 ? 0 : 1)))
    at += part.length
    const last = at === content.length
    bytes += `BDAT ${part.length}${last ? ' LAST' : ''}\r\n${part}`
    replies.push(last ? '250 2.0.0 queued' : `250 2.0.0 ${part.length} octets received`)
  }
  return { bytes, replies }
}

test('chunks arrive as they were, however they and their packets are split', async () => {
  await using world = await startWorld()
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  await fc.assert(
    fc.asyncProperty(text, sizes, sizes, async (content, lengths, packets) => {
      const { bytes, replies } = chunked(content, lengths)
      const all = `MAIL FROM:<>\r\nRCPT TO:<b@c.test>\r\n${bytes}`
      for (let at = 0, n = 0; at < all.length; n++) {
        const size = 1 + packets[n % packets.length]! * 5
        talk.write(all.slice(at, at + size))
        at += size
        if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      for (const reply of ['250 2.1.0', '250 2.1.5', ...replies])
        expect((await talk.hear()).slice(0, reply.length)).toBe(reply)
      const kept = world.queue.accepted.at(-1)!.content
      expect(kept.slice(kept.indexOf('a: b'))).toBe(content)
    }),
    runs(300),
  )
  expect(await talk.say('NOOP')).toBe('250 2.0.0 Ok')
})
