// Whatever a body holds, one message in is one message kept (RFC 5321 4.1.1.4): random
// bodies with all that parsers have been fooled by, in random pieces.

import { expect, test } from 'vitest'
import { chance, often, type Chance } from '../peers/chance.ts'
import { startWorld } from './world.ts'

const BODIES = often(10_000)
const TRICKS = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\r.\r',
  '\r.\r\n',
  '\n\r.\r\n',
  '\r\n.\r',
  '\0\r\n.\n',
  '\r\r\n.',
  '\n\n.\r\n',
  '.',
  '..',
  '\r\n',
  '\r',
  '\n',
  '\0',
  '\x1a',
  '\x85.\x85',
  'x',
  '\r\n ',
  '=0D=0A.=0D=0A',
  'MAIL FROM:<evil@near.example>\r\n',
  'MAIL FROM:<evil@near.example>\n',
  'DATA\r\n',
  'RCPT TO:<victim@far.example>\r\n',
  'RSET\r\n',
  'BDAT 5 LAST\r\n',
  'QUIT\r\n',
]

/** A body that CRLF.CRLF does not end. */
function createBody(random: Chance): string {
  let body = ''
  for (let n = Math.floor(random() * 12); n >= 0; n--)
    body += TRICKS[Math.floor(random() * TRICKS.length)]!
  // What a client does that knows only CRLF: the dots of its own lines are doubled.
  return `\r\n${body}x\r\n`.replaceAll('\r\n.', '\r\n..').slice(2)
}

test(`${BODIES} random bodies never give a second message`, { timeout: 120_000 }, async () => {
  const random = chance()
  await using world = await startWorld()
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  for (let n = 1; n <= BODIES; n++) {
    const body = createBody(random)
    talk.write('MAIL FROM:<ana@near.example>\r\nRCPT TO:<bo@far.example>\r\nDATA\r\n')
    for (let reply = 0; reply < 3; reply++) await talk.hear()
    const cut = Math.floor(random() * body.length)
    talk.write(body.slice(0, cut))
    if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve))
    talk.write(`${body.slice(cut)}.\r\n`)
    const where = `message ${n}: ${JSON.stringify(body)}`
    expect(await talk.hear(), where).toMatch(/^250 2\.0\.0 queued/)
    expect(world.queue.accepted.length, where).toBe(n)
    expect(world.queue.accepted[n - 1]!.content, where).not.toMatch(/(?<!\r)\n|\r(?!\n)/)
  }
  expect(await talk.say('NOOP')).toBe('250 2.0.0 Ok')
})
