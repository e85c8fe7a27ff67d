import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { startMx, type Mx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'

const REFUSES = {
  RCPT: (command: string) => (command.includes('no@') ? '550 5.1.1 No such user' : '250 ok'),
}

test('a refused recipient comes back to the sender as a bounce', async () => {
  await using mx = await startMx(REFUSES, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })

  const id = await relay.send({ to: 'no@far.example', subject: 'Invoice 17' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'sent' })
  const bounce = await arrived(mx)
  await relay.until('accepted', id)
  expect(await relay.until('accepted')).toMatchObject({ from: '<>', protocol: 'relay' })
  expect(bounce.from).toBe('')
  expect(bounce.to).toEqual(['ana@near.example'])
  const text = bounce.content.toString()
  expect(text).toContain('Final-Recipient: rfc822; no@far.example')
  expect(text).toContain('Action: failed')
  expect(text).toContain('Status: 5.1.1')
  expect(text).toMatch(/Diagnostic-Code: smtp; 550 5\.1\.1 No such user/)
  expect(text).toMatch(/Auto-Submitted: auto-replied/i)
  const parsed = await simpleParser(bounce.content)
  expect(parsed.from?.value[0]?.address).toBe('mailer-daemon@relay.near.example')
  expect(parsed.text).toContain('no@far.example')
})

test('NOTIFY=NEVER gets no bounce, and the end says so', async () => {
  await using mx = await startMx(REFUSES, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })
  const id = await relay.send({ to: 'no@far.example', dsn: { notify: 'never' } })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'not wanted' })
})

test('a notice that cannot be delivered ends recorded, and makes no other', async () => {
  await using mx = await startMx({ RCPT: '550 5.1.1 Nobody at all' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })
  const id = await relay.send({ to: 'no@far.example' })
  await relay.until('ended', id)
  const notice = await relay.until('ended')
  expect(notice).toMatchObject({ end: 'bounced', notice: 'null sender', to: 'ana@near.example' })
})

test('a message that waits warns its sender once', async () => {
  await using mx = await startMx({ RCPT: waitsFor('later@') }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })
  const id = await relay.send({ to: 'later@far.example' })
  await relay.until('attempted', id)
  relay.pass('4h')
  await relay.until('warned', id)
  const warning = (await arrived(mx)).content.toString()
  expect(warning).toContain('Action: delayed')
  expect(warning).toContain('Will-Retry-Until:')
})

test('a success report is sent when asked for and the next server sends none', async () => {
  const offers = ['PIPELINING', '8BITMIME']
  await using mx = await startMx({ offers }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })
  await relay.send({ to: 'bo@far.example', dsn: { notify: 'success', id: 'order-17' } })
  const report = (await arrived(mx, 2)).content.toString()
  expect(report).toMatch(/Action: relayed/)
  expect(report).toContain('Original-Envelope-Id: order-17')
})

function waitsFor(name: string): (command: string) => string {
  return (command) => (command.includes(name) ? '450 4.2.0 Later' : '250 ok')
}

async function arrived(mx: Mx, count = 1): Promise<Mx['taken'][number]> {
  await mx.until(() => mx.taken.length >= count)
  return mx.taken.at(-1)!
}
