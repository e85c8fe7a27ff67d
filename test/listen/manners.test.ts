// What a client may do without handing in a message, and what is told of it.

import { expect, test } from 'vitest'
import type { ListenRules, Policy } from '../../src/policy/policy.ts'
import { startWorld } from './world.ts'
import type { Talk, World } from './world.ts'

const STRANGERS: Partial<Policy> = { mayRelay: () => ({ action: 'refuse', at: 'relay.yaml:9' }) }
const LATER: Partial<Policy> = { mayRelay: () => ({ action: 'authenticate', at: 'relay.yaml:9' }) }
const AWAY = '421 4.7.0 Too many'

const repeated: [name: string, line: string, answered: number, policies: Partial<Policy>][] = [
  // Of 100, one was HELO.
  ['NOOP', 'NOOP', 98, {}],
  ['RSET', 'RSET', 98, {}],
  ['HELP', 'HELP', 98, {}],
  ['VRFY', 'VRFY bo', 98, {}],
  ['EXPN', 'EXPN list', 98, {}],
  ['HELO', 'HELO app.test', 98, {}],
  ['EHLO', 'EHLO app.test', 98, {}],
  ['BDAT without MAIL', 'BDAT 0', 98, {}],
  ['NOOP of a stranger', 'NOOP', 18, STRANGERS],
  ['EHLO of one that could log in', 'EHLO app.test', 18, LATER],
  ['BDAT of a stranger', 'BDAT 0', 18, STRANGERS],
  ['MAIL that a rule refuses', 'MAIL FROM:<a@b.test>', 19, STRANGERS],
  ['MAIL before AUTH', 'MAIL FROM:<a@b.test>', 19, LATER],
  ['MAIL that cannot be read', 'MAIL FROM:<a@b', 19, {}],
  ['AUTH in clear', 'AUTH PLAIN AGEAYg==', 19, {}],
  ['DATA without MAIL', 'DATA', 19, {}],
  ['STARTTLS where there is none', 'STARTTLS', 19, {}],
]
for (const [name, line, answered, policies] of repeated)
  test.concurrent(`${name} is answered ${answered} times, and then hung up on`, async () => {
    await using world = await startWorld({ policies })
    await using talk = await world.dial()
    await talk.hear()
    await talk.say('HELO app.test')
    talk.write(`${line}\r\n`.repeat(2 * answered))
    for (let n = 0; n < answered; n++) expect(await talk.hear()).not.toContain(AWAY)
    expect(await talk.hear()).toContain(AWAY)
    await talk.untilClosed()
  })

test('MAIL and RSET without end are hung up on', async () => {
  await using world = await startWorld()
  await using talk = await greet(world)
  talk.write('MAIL FROM:<>\r\nRSET\r\n'.repeat(200))
  for (let n = 0; n < 2 * 98 + 1; n++) expect(await talk.hear()).toMatch(/^250 /)
  expect(await talk.hear()).toContain(AWAY)
  await talk.untilClosed()
})

async function greet(world: World): Promise<Talk> {
  const talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  return talk
}

async function send(talk: Talk): Promise<string> {
  for (const line of ['MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
  return talk.say('a: b\r\n\r\nx\r\n.')
}

test('a message that was taken sets all counts back', async () => {
  await using world = await startWorld()
  await using talk = await greet(world)
  for (let n = 0; n < 4; n++) {
    talk.write('NOOP\r\n'.repeat(90) + 'FOO\r\n'.repeat(15))
    for (let k = 0; k < 105; k++) expect(await talk.hear()).toMatch(/^(250|500) /)
    expect(await send(talk)).toMatch(/^250 /)
  }
})

test('recipients that are refused or named twice are no mistakes, up to ten times the limit', async () => {
  await using world = await startWorld({ rules: { recipients: 100 } })
  await using talk = await greet(world)
  await talk.say('MAIL FROM:<>')
  await talk.say('RCPT TO:<b@c.test>')
  const lines = ['RCPT TO:<b@nowhere.test>', 'RCPT TO:<b@c.test>']
  talk.write(`${lines.join('\r\n')}\r\n`.repeat(499))
  for (let n = 0; n < 998; n++) expect(await talk.hear()).toMatch(/^(550|250) /)
  expect(await talk.say('DATA')).toMatch(/^354 /)
  expect(await talk.say('x\r\n.')).toMatch(/^250 /)
  await talk.say('MAIL FROM:<>')
  talk.write(`${lines[0]}\r\n`.repeat(2000))
  let replies = 0
  while ((await talk.hear()).startsWith('550')) replies++
  expect(replies).toBe(999)
})

test('chunks of one byte are taken up to ten thousand, and then no more', async () => {
  await using world = await startWorld()
  await using talk = await greet(world)
  await talk.say('MAIL FROM:<>')
  await talk.say('RCPT TO:<b@c.test>')
  talk.write('BDAT 1\r\nx'.repeat(12_000))
  let replies = 0
  while ((await talk.hear()).startsWith('250')) replies++
  expect(replies).toBe(9999)
  expect(world.queue.accepted).toHaveLength(0)
})

test('storage that is away is not the mistake of a client', async () => {
  await using world = await startWorld()
  world.queue.refused = 'away'
  await using talk = await greet(world)
  talk.write('MAIL FROM:<>\r\n'.repeat(60))
  for (let n = 0; n < 60; n++) expect(await talk.hear()).toMatch(/^451 /)
})

test('refusals of a session are a few lines and then one with a number', async () => {
  await using world = await startWorld({ rules: { recipients: 1 } })
  await using talk = await greet(world)
  await talk.say('MAIL FROM:<>')
  talk.write('RCPT TO:<b@nowhere.test>\r\n'.repeat(9) + 'QUIT\r\n')
  for (let n = 0; n < 9; n++) await talk.hear()
  await talk.untilClosed()
  const refused = world.events.filter(({ kind }) => kind === 'refused')
  expect(refused).toHaveLength(6)
  expect(refused.slice(0, 5).every((event) => !('times' in event))).toBe(true)
  expect(refused[5]).toMatchObject({ command: 'RCPT TO:<b@nowhere.test>', times: 4 })
})

test('who is hung up on is not read meanwhile, and hears why', async () => {
  await using world = await startWorld({ policies: STRANGERS })
  await using talk = await greet(world)
  talk.write('NOOP\r\n'.repeat(40))
  const block = 'NOOP\r\n'.repeat(100_000)
  for (let n = 0; n < 20; n++) talk.write(block)
  for (let n = 0; n < 18; n++) expect(await talk.hear()).toMatch(/^250 /)
  expect(await talk.hear()).toContain(AWAY)
  expect(talk.socket.writableLength).toBeGreaterThan(1_000_000)
})

const scripts: Partial<ListenRules> = { bareLfCommands: (client) => client === '127.0.0.1' }

test('commands of a named client may end with LF alone', async () => {
  await using world = await startWorld({ rules: scripts })
  await using talk = await world.dial()
  talk.write('EHLO app.test\nMAIL FROM:<>\nRCPT TO:<b@c.test>\nDATA\n')
  for (const reply of ['220 ', '250-', '250 ', '250 ', '354 '])
    expect((await talk.hear()).slice(0, 4)).toBe(reply)
  talk.write('a: b\r\n\r\nx\n.\nMAIL FROM:<evil@b.test>\r\n.\r\nQUIT\n')
  expect(await talk.hear()).toMatch(/^250 2\.0\.0 queued/)
  expect(await talk.hear()).toMatch(/^221 /)
  expect(world.queue.accepted).toHaveLength(1)
  expect(world.queue.accepted[0]!.content).toContain('MAIL FROM:<evil@b.test>')
})

test('commands of any other client may not', async () => {
  await using world = await startWorld({ rules: scripts })
  await using talk = await world.dial({ from: '127.0.0.2' })
  talk.write('EHLO app.test\nEHLO app.test\r\n')
  for (const reply of ['220 ', '500 ', '250-']) expect((await talk.hear()).slice(0, 4)).toBe(reply)
})

test('a message between two guesses gives none back', async () => {
  await using world = await startWorld({ rules: { authWithoutTls: 'loopback' } })
  await using talk = await greet(world)
  for (let n = 0; n < 4; n++) expect(await talk.say('AUTH PLAIN x')).toMatch(/^501 5\.5\.2/)
  expect(await send(talk)).toMatch(/^250 /)
  expect(await talk.say('AUTH PLAIN x')).toMatch(/^501 5\.5\.2/)
  expect(await talk.hear()).toBe('421 4.7.0 Too many failed logins')
})
