import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { startSink, type SinkOptions } from '../../src/sink/sink.ts'
import { ManualClock } from '../peers/clock.ts'
import { until } from '../peers/patience.ts'
import type { SinkEvent } from '../../src/sink/world.ts'

/** What the sink says to all of this, until it closes or QUIT is answered. */
async function talk(port: number, text: string): Promise<string[]> {
  const socket = connect(port, '127.0.0.1')
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  socket.write(text)
  await once(socket, 'close')
  return heard.trimEnd().split('\r\n')
}

function letter(...to: string[]): string {
  const recipients = to.map((address) => `RCPT TO:<${address}>\r\n`).join('')
  return `EHLO me.example\r\nMAIL FROM:<ana@near.example>\r\n${recipients}DATA\r\n`
}

const CONTENT = 'Subject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n'

async function trial(options: Partial<SinkOptions> = {}) {
  const events: SinkEvent[] = []
  const report = (event: SinkEvent): void => void events.push(event)
  const sink = await startSink({ host: '127.0.0.1', port: 0, report, ...options })
  return {
    events,
    port: sink.port,
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  }
}

test('the sink takes a message that comes in one packet, and undoes the stuffed dots', async () => {
  await using sink = await trial()
  const replies = await talk(sink.port, letter('bo@far.example') + CONTENT)
  expect(replies.slice(-4)).toEqual([
    '250 2.1.5 Recipient ok',
    '354 Go ahead',
    '250 2.0.0 Taken',
    '221 2.0.0 Bye',
  ])
  expect(sink.events).toMatchObject([
    { kind: 'taken', from: 'ana@near.example', to: ['bo@far.example'], size: 26 },
  ])
  const [event] = sink.events
  const content = event?.kind === 'taken' ? event.content.toString() : ''
  expect(content).toBe('Subject: x\r\n\r\n.dot\r\nend\r\n')
})

test('content that comes byte by byte is the same content', async () => {
  await using sink = await trial()
  const socket = connect({ port: sink.port, host: '127.0.0.1', noDelay: true })
  socket.resume()
  for (const byte of letter('bo@far.example') + CONTENT) {
    socket.write(byte)
    await new Promise(setImmediate)
  }
  await once(socket, 'close')
  expect(sink.events).toMatchObject([{ kind: 'taken', size: 26 }])
})

test('a message without a byte of content ends with its dot', async () => {
  await using sink = await trial()
  await talk(sink.port, letter('bo@far.example') + '.\r\nQUIT\r\n')
  expect(sink.events).toMatchObject([{ kind: 'taken', size: 0 }])
})

test('defer2- is greylisted twice and then taken, each address for itself', async () => {
  await using sink = await trial()
  const said: string[] = []
  for (let n = 0; n < 3; n++) {
    const text = 'MAIL FROM:<>\r\nRCPT TO:<defer2-bo@far.example>\r\nQUIT\r\n'
    said.push((await talk(sink.port, text))[2]!.slice(0, 3))
  }
  expect(said).toEqual(['450', '450', '250'])
  const other = 'MAIL FROM:<>\r\nRCPT TO:<defer2-cy@far.example>\r\nQUIT\r\n'
  expect((await talk(sink.port, other))[2]).toMatch(/^450 4\.7\.1 /)
})

test('reject- is refused, and the other recipients of the message are taken', async () => {
  await using sink = await trial()
  await talk(sink.port, letter('reject-bo@far.example', 'cy@far.example') + CONTENT)
  expect(sink.events).toMatchObject([
    { kind: 'refused', to: 'reject-bo@far.example', reply: '550 5.1.1 No such user here' },
    { kind: 'taken', to: ['cy@far.example'] },
  ])
})

test('slow- is taken late, and what was pipelined behind it waits', async () => {
  const clock = new ManualClock()
  await using sink = await trial({ slow: 50, clock })
  const slow = talk(sink.port, letter('slow-bo@far.example') + CONTENT)
  await talk(sink.port, letter('cy@far.example') + CONTENT)
  const taken = (): string[] => sink.events.flatMap((event) => ('to' in event ? event.to : []))
  expect(taken()).toEqual(['cy@far.example'])
  await until(() => {
    clock.pass(50)
    return taken().length === 2
  })
  expect((await slow).slice(-2)).toEqual(['250 2.0.0 Taken', '221 2.0.0 Bye'])
})

test('drop- loses the connection before the content, unknown- after it', async () => {
  await using sink = await trial()
  for (const word of ['drop', 'unknown']) {
    const replies = await talk(sink.port, letter(`${word}-bo@far.example`) + CONTENT)
    expect(replies.at(-1)).not.toMatch(/Taken|Bye/)
  }
  expect(sink.events.map(({ kind }) => kind)).toEqual(['dropped', 'dropped'])
})

test('drop1- loses the connection once', async () => {
  await using sink = await trial()
  await talk(sink.port, letter('drop1-bo@far.example') + CONTENT)
  await talk(sink.port, letter('drop1-bo@far.example') + CONTENT)
  expect(sink.events.map(({ kind }) => kind)).toEqual(['dropped', 'taken'])
})

test('a message whose recipients were all refused is not asked for', async () => {
  await using sink = await trial()
  const replies = await talk(sink.port, letter('reject-bo@far.example') + 'QUIT\r\n')
  expect(replies.at(-2)).toBe('554 5.5.1 No valid recipients')
})

test('a line without an end is cut off', async () => {
  await using sink = await trial()
  await talk(sink.port, 'x'.repeat(10_000))
})
