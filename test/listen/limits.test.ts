// What bounds a client: time, numbers, and our own end.

import { expect, test } from 'vitest'
import type { Policy } from '../../src/policy/policy.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Door } from '../../src/listen/door/door.ts'
import { ManualClock } from '../peers/clock.ts'
import { RULES, TestQueue } from '../submit/world.ts'
import { startWorld } from './world.ts'

const LONG = 300_000
const GREETING = '220 relay.test ESMTP Waypost'
const deadlines = { command: LONG, message: LONG, idle: LONG, age: LONG }

test('there is no delay before the greeting', async () => {
  // Its clock stands still.
  await using world = await startWorld({ clock: new ManualClock() })
  await using talk = await world.dial()
  expect(await talk.hear()).toMatch(/^220 /)
})

test('a client that never says EHLO is closed at the deadline of commands', async () => {
  await using world = await startWorld({ rules: { deadlines: { ...deadlines, command: 100 } } })
  await using talk = await world.dial()
  await talk.hear()
  expect(await talk.hear()).toMatch(/^421 4\.4\.2 /)
  await talk.untilClosed()
})

test('an idle client is closed at the deadline of idleness', async () => {
  await using world = await startWorld({ rules: { deadlines: { ...deadlines, idle: 100 } } })
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  expect(await talk.hear()).toMatch(/^421 4\.4\.2 /)
})

test('bytes of a command that never ends gain no time', async () => {
  await using world = await startWorld({ rules: { deadlines: { ...deadlines, command: 200 } } })
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  const drip = setInterval(() => talk.write('N'), 10)
  expect(await talk.hear()).toMatch(/^421 4\.4\.2 /)
  clearInterval(drip)
})

test('a message that never ends is cut off, however busily it comes', async () => {
  await using world = await startWorld({ rules: { deadlines: { ...deadlines, message: 200 } } })
  await using talk = await world.dial()
  await talk.hear()
  for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
  const drip = setInterval(() => talk.write('x\r\n'), 10)
  expect(await talk.hear()).toMatch(/^421 4\.4\.2 /)
  clearInterval(drip)
  expect(world.queue.accepted).toEqual([])
})

test('a message that makes progress may take longer', async () => {
  await using world = await startWorld({ rules: { deadlines: { ...deadlines, message: 100 } } })
  await using talk = await world.dial()
  await talk.hear()
  for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
  const begun = Date.now()
  const line = `${'x'.repeat(70)}\r\n`
  while (Date.now() - begun < 500) {
    talk.write(line)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(await talk.say('.')).toMatch(/^250 2\.0\.0 queued/)
})

test('a client that waits for us is given all the time that we take', async () => {
  const queue = new SlowQueue()
  await using world = await startWorld({
    queue,
    rules: { deadlines: { command: 100, message: 100, idle: 100, age: 100 } },
  })
  await using talk = await world.dial()
  await talk.hear()
  for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
  const reply = talk.say('x\r\n.')
  setTimeout(() => queue.open(), 400)
  expect(await reply).toMatch(/^250 2\.0\.0 queued/)
})

test('a client that does not read its replies is not read either', async () => {
  await using world = await startWorld({
    rules: { deadlines: { ...deadlines, idle: 500, command: 500 }, recipients: 100_000 },
  })
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  await talk.say('MAIL FROM:<>')
  talk.socket.pause()
  const block = 'RCPT TO:<b@nowhere.test>\r\n'.repeat(10_000)
  for (let n = 0; n < 60; n++) talk.write(block)
  let unread = 0
  while (!world.events.some((event) => event.kind === 'connection' && event.change === 'closed')) {
    unread = talk.socket.writableLength || unread
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(unread).toBeGreaterThan(1_000_000)
})

for (const [name, text, replies] of [
  ['the final dot', 'DATA\r\na: b\r\n\r\nx\r\n.\r\n', ['354 ', '250 2.0.0 queued']],
  ['the last chunk', 'BDAT 9 LAST\r\na: b\r\n\r\nx', ['250 2.0.0 queued']],
  ['QUIT', 'BDAT 9 LAST\r\na: b\r\n\r\nxQUIT\r\n', ['250 2.0.0 queued', '221 2.0.0']],
] as const)
  test(`a client that closes its side right behind ${name} gets all its replies`, async () => {
    await using world = await startWorld()
    await using talk = await world.dial()
    await talk.hear()
    const many = Array.from({ length: 100 }, (_, n) => `RCPT TO:<r${n}@c.test>\r\n`).join('')
    talk.socket.end(`EHLO a\r\nMAIL FROM:<>\r\n${many}${text}`, 'latin1')
    expect(await talk.hear()).toMatch(/^250-/)
    for (let n = 0; n <= 100; n++) expect(await talk.hear()).toMatch(/^250 2\.1\./)
    for (const reply of replies) expect((await talk.hear()).slice(0, reply.length)).toBe(reply)
    expect(world.queue.accepted).toHaveLength(1)
  })

test('while storage is full or away MAIL is refused for now, and taken again after', async () => {
  await using world = await startWorld()
  world.queue.refused = 'full'
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  expect(await talk.say('MAIL FROM:<>')).toMatch(/^452 4\.3\.1 /)
  world.queue.refused = 'away'
  expect(await talk.say('MAIL FROM:<>')).toMatch(/^451 4\.3\.0 /)
  world.queue.refused = undefined
  expect(await talk.say('MAIL FROM:<>')).toMatch(/^250 /)
})

test('connections in all are limited', async () => {
  await using world = await startWorld({ rules: { connections: 2 } })
  await using one = await world.dial()
  await one.hear()
  await using two = await world.dial()
  await two.hear()
  await using three = await world.dial()
  expect(await three.hear()).toMatch(/^421 4\.3\.2 /)
  await one.say('QUIT')
  await one.untilClosed()
  one.socket.destroy()
  await using four = await eventually(world, /^220 /)
  expect(await four.say('NOOP')).toMatch(/^250 /)
})

test('connections of one address are limited, and others still come in', async () => {
  await using world = await startWorld({ rules: { connectionsPerClient: 1 } })
  await using one = await world.dial()
  await one.hear()
  await using two = await world.dial()
  expect(await two.hear()).toMatch(/^421 4\.7\.0 /)
  await using other = await world.dial({ from: '127.0.0.2' })
  expect(await other.hear()).toMatch(/^220 /)
  expect(world.events).toContainEqual(
    expect.objectContaining({ kind: 'refused', command: 'connect', client: '127.0.0.1' }),
  )
})

test('strangers never take the places of those who may send', async () => {
  const mayRelay: Policy['mayRelay'] = ({ client }) =>
    client === '127.0.0.1'
      ? { action: 'allow', at: 'relay.yaml:1' }
      : { action: 'refuse', at: 'relay.yaml:2' }
  await using world = await startWorld({ rules: { connections: 2 }, policies: { mayRelay } })
  await using one = await world.dial({ from: '127.0.0.2' })
  await using two = await world.dial({ from: '127.0.0.3' })
  expect([await one.hear(), await two.hear()]).toEqual([GREETING, GREETING])
  await using three = await world.dial({ from: '127.0.0.4' })
  expect(await three.hear()).toMatch(/^421 4\.3\.2 /)
  await using app = await world.dial()
  expect(await app.hear()).toBe(GREETING)
})

test('clients that are turned away again and again are a few lines of the log', async () => {
  await using world = await startWorld({ rules: { connectionsPerClient: 1 } })
  await using one = await world.dial()
  await one.hear()
  for (let n = 0; n < 20; n++) {
    await using more = await world.dial()
    expect(await more.hear()).toMatch(/^421 4\.7\.0 /)
  }
  const told = () => world.events.filter(({ kind }) => kind === 'refused')
  expect(told()).toHaveLength(5)
  await world.listener.close(0)
  expect(told()).toHaveLength(6)
  expect(told()[5]).toMatchObject({ client: '127.0.0.1', command: 'connect', times: 15 })
})

test('listeners that share a door count connections together', async () => {
  const door = new Door(() => ({ ...RULES, connections: 2 }), systemClock)
  await using one = await startWorld({ door })
  await using other = await startWorld({ door })
  await using first = await one.dial()
  expect(await first.hear()).toMatch(/^220 /)
  await using second = await other.dial()
  expect(await second.hear()).toMatch(/^220 /)
  await using third = await other.dial()
  expect(await third.hear()).toMatch(/^421 4\.3\.2 /)
})

async function eventually(world: Awaited<ReturnType<typeof startWorld>>, wanted: RegExp) {
  for (;;) {
    const talk = await world.dial()
    if (wanted.test(await talk.hear())) return talk
    talk.socket.destroy()
  }
}

/** Accepts when it is told to. */
class SlowQueue extends TestQueue {
  readonly #gate = Promise.withResolvers<void>()

  open(): void {
    this.#gate.resolve()
  }

  override async accept(mail: Parameters<TestQueue['accept']>[0]): Promise<MessageId> {
    await this.#gate.promise
    return super.accept(mail)
  }
}

test('closing ends idle sessions at once and lets a transaction finish', async () => {
  await using world = await startWorld()
  await using idle = await world.dial()
  await idle.hear()
  await idle.say('EHLO idle.test')
  await using busy = await world.dial()
  await busy.hear()
  for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>']) await busy.say(line)
  const closed = world.listener.close(10_000)
  expect(await idle.hear()).toMatch(/^421 4\.3\.2 /)
  expect(await busy.say('DATA')).toMatch(/^354 /)
  busy.write('x\r\n.\r\n')
  expect(await busy.hear()).toMatch(/^250 2\.0\.0 queued/)
  expect(await busy.hear()).toMatch(/^421 4\.3\.2 /)
  await closed
  expect(world.queue.accepted).toHaveLength(1)
})

test('closing takes no new connection, and ends what is left at its deadline', async () => {
  await using world = await startWorld()
  await using stuck = await world.dial()
  await stuck.hear()
  for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await stuck.say(line)
  const closed = world.listener.close(200)
  await using late = await world.dial()
  expect(await late.hear()).toBe('closed ')
  await closed
  expect(await stuck.hear()).toMatch(/^421 4\.3\.2 |^closed/)
})

test('twenty large messages at once wait for storage, not in memory', async () => {
  const queue = new StuckQueue()
  await using world = await startWorld({ queue })
  const talks = await Promise.all(Array.from({ length: 20 }, () => world.dial()))
  const megabyte = Buffer.from(`a:${'x'.repeat(60)}\r\n`.repeat(16_384)) // shared by all clients
  for (const talk of talks) {
    await talk.hear()
    for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA'])
      await talk.say(line)
  }
  const before = process.memoryUsage().arrayBuffers
  for (const talk of talks) {
    talk.write('a: b\r\n\r\n')
    for (let n = 0; n < 10; n++) talk.socket.write(megabyte)
  }
  while (queue.begun < 20) await new Promise((resolve) => setTimeout(resolve, 10))
  // Of 200 MB: what was kept until storage began, the room of a flow and a read each.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * 1024 * 1024)
  for (const talk of talks) talk.socket.destroy()
})

/** Begins to store and takes nothing. */
class StuckQueue extends TestQueue {
  begun = 0

  override async store(
    ...[, chunks]: Parameters<TestQueue['store']>
  ): ReturnType<TestQueue['store']> {
    this.begun++
    await (chunks as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().next()
    return new Promise(() => {})
  }
}
