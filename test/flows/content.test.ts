// What the next server must be able to take, and what is passed on to it word for word.

import { expect, test } from 'vitest'
import { startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'

const HEADER = 'From: ana@near.example\r\nSubject: hi\r\n\r\n'
const PLAIN = ['PIPELINING', 'SIZE 1000000']

test('8-bit content is announced, and bounces with 5.6.3 where it is not taken', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const raw = `${HEADER}Grüße\r\n`
  const first = await relay.send({ from: '<>', to: 'bo@far.example', raw })
  expect(await relay.until('ended', first)).toMatchObject({ end: 'delivered' })
  expect(mx.taken[0]!.commands[0]).toContain(' BODY=8BITMIME')
  expect(mx.taken[0]!.content.includes(Buffer.from('Grüße'))).toBe(true)

  mx.cut()
  mx.change({ offers: PLAIN })
  const second = await relay.send({ from: '<>', to: 'cy@far.example', raw })
  const { outcome } = await relay.until('attempted', second)
  expect(outcome).toMatchObject({ kind: 'refused', by: 'relay', reply: { status: '5.6.3' } })
  expect(outcome.reply.text).toContain('8BITMIME')
  expect(await relay.until('ended', second)).toMatchObject({ end: 'bounced' })
  expect(mx.heard.filter((line) => line.startsWith('MAIL'))).toHaveLength(1)

  const third = await relay.send({ from: '<>', to: 'di@far.example', raw: `${HEADER}Plain\r\n` })
  expect(await relay.until('ended', third)).toMatchObject({ end: 'delivered' })
  expect(mx.taken[1]!.commands[0]).not.toContain('BODY')
})

test('an internationalized address is passed on, and bounces with 5.6.7 where it is not taken', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const first = await relay.send({ from: '<>', to: 'jürgen@far.example' })
  expect(await relay.until('ended', first)).toMatchObject({ end: 'delivered' })
  expect(mx.taken[0]!.commands[0]).toContain(' SMTPUTF8')
  expect(mx.taken[0]!.to).toEqual(['jürgen@far.example'])

  mx.cut()
  mx.change({ offers: [...PLAIN, '8BITMIME'] })
  const second = await relay.send({ from: '<>', to: 'jürgen@far.example' })
  const { outcome } = await relay.until('attempted', second)
  expect(outcome).toMatchObject({ kind: 'refused', by: 'relay', reply: { status: '5.6.7' } })
  expect(await relay.until('ended', second)).toMatchObject({ end: 'bounced' })
})

test('a message that is larger than the server takes bounces with 5.3.4 without being sent', async () => {
  await using mx = await startMx({ offers: ['SIZE 2000'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ from: '<>', to: 'bo@far.example', text: 'x'.repeat(3000) })
  const { outcome } = await relay.until('attempted', id)
  expect(outcome).toMatchObject({ kind: 'refused', reply: { status: '5.3.4' } })
  expect(mx.heard.some((line) => line.startsWith('MAIL'))).toBe(false)
})

test('wishes for notices are passed on word for word where the server offers DSN', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })
  const dsn = { notify: 'success,delay', return: 'headers', id: 'order+17' }
  const id = await relay.send({ to: 'bo@far.example', dsn })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  const [mail, rcpt] = mx.taken[0]!.commands
  expect(mail).toContain(' RET=HDRS')
  expect(mail).toContain(' ENVID=order+2B17')
  expect(rcpt).toContain(' NOTIFY=SUCCESS,DELAY')
  expect(rcpt).toMatch(/ ORCPT=rfc822;/)
  // The duty to report went on with it: no report of ours follows.
  const { queue } = relay.real
  expect((await queue.find({ from: '<>' }, { limit: 10 })).entries).toEqual([])
})

test('content is sent as it came: dots, long lines, no line end at its end, large', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const bodies = [
    '.\r\n..\r\n.x\r\n',
    `${'y'.repeat(5000)}\r\n`,
    'no end',
    '',
    `${'0123456789'.repeat(7)}\r\n.\r\n`.repeat(20_000),
  ]
  for (const [n, body] of bodies.entries()) {
    const id = await relay.send({ to: 'bo@far.example', raw: HEADER + body })
    expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
    const content = mx.taken[n]!.content.toString()
    const came = content.slice(content.indexOf('\r\n\r\n') + 4)
    expect(came === body || came === `${body}\r\n`).toBe(true)
  }
})
