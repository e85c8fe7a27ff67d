import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { mailauthSays, newSigning } from '../delivery/dkim-judges.ts'
import { loseContent } from '../peers/engine.ts'
import { drop, startMx, type Mx } from '../peers/mx.ts'
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

test('an expiry after an unknown outcome says that it may have arrived', async () => {
  await using near = await startMx({}, MX_PLACE)
  await using mx = await startMx({ dot: [drop, '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [near] } })
  const id = await relay.send({ to: 'bo@far.example' })
  expect((await relay.until('attempted', id)).outcome.kind).toBe('unknown')
  // From here on nobody is reached: no attempt, and so what was unknown stays so.
  mx.change({ greeting: '421 4.3.2 Closed' })
  relay.pass('6m')
  await relay.until('suspended')
  await relay.until('attempted', id)
  await expect.poll(async () => (await relay.entries(id))[0]?.state).toBe('waiting')
  relay.pass('121h')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'expired', notice: 'sent' })
  await near.until(() => near.taken.some(({ content }) => content.includes('Action: failed')))
  const bounce = near.taken.at(-1)!.content.toString()
  expect(bounce).toContain('Status: 4.4.7')
  expect(bounce.replaceAll(/\s+/g, ' ')).toContain('It may have arrived all the same')
})

test('a message whose content is gone ends all the same, with a notice', async () => {
  await using near = await startMx({}, MX_PLACE)
  await using mx = await startMx({ MAIL: '450 4.3.0 Later' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [near] } })
  const id = await relay.send({ to: 'bo@far.example', text: `${'x'.repeat(70)}\n`.repeat(6000) })
  await relay.until('attempted', id)
  await loseContent(join(relay.folder, 'data'))
  const by = { who: 'olga', why: 'The disk is broken' }
  await relay.real.queue.steer('refuse', { ids: [id] }, by)
  relay.pass('2s')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'sent' })
  await near.until(() => near.taken.length === 1)
  expect(near.taken[0]!.content.toString()).toContain('The disk is broken')
})

const EIGHT = 'From: ana@near.example\r\nSubject: hi\r\n\r\nGrüße\r\n'
const SMALLER: [what: string, offers: string[], more: object, left: RegExp, gone: string][] = [
  ['8BITMIME', ['PIPELINING', 'SIZE 1000000'], {}, /text\/rfc822-headers/, 'Grüße'],
  ['more than 2 KB', ['8BITMIME', 'SIZE 2000'], {}, /Status: 5\.1\.1/, 'The top of your message'],
  [
    'such content, by its reply',
    ['8BITMIME'],
    { dot: ['552 5.3.4 Too big', '250 ok'] },
    /text\/rfc822-headers/,
    'Grüße',
  ],
]
for (const [what, offers, more, left, gone] of SMALLER)
  test(`a sender whose host does not take ${what} is told all the same`, async () => {
    await using mx = await startMx(REFUSES, MX_PLACE)
    await using near = await startMx({ offers, ...more }, MX_PLACE)
    await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [near] } })
    const id = await relay.send({
      to: 'no@far.example',
      raw: EIGHT,
      dsn: { return: 'full', id: 'a1' },
    })
    expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'sent' })
    const bounce = await arrived(near)
    expect(bounce.content.toString()).toMatch(left)
    expect(bounce.content.toString()).not.toContain(gone)
    const notices = async () => (await relay.real.queue.find({ from: '<>' }, { limit: 5 })).entries
    const isThere = (entries: readonly { state: string }[]): number =>
      entries.filter(({ state }) => state === 'delivered').length
    // It has arrived before that is written.
    await expect.poll(async () => isThere(await notices())).toBe(1)
    const first = (await notices()).find(({ state }) => state === 'bounced')!
    const trace = await relay.real.queue.trace(first.id)
    expect(JSON.stringify(trace!.facts)).toMatch(
      /sent again with (the header alone|nothing of the message): N/,
    )
  })

test('a sender to whom no rule leads is not said to want no notice', async () => {
  await using mx = await startMx(REFUSES, MX_PLACE)
  const routing = { 'policies/routing.yaml': '- { to: [far.example], via: mx }\n' }
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, files: routing })
  const id = await relay.send({ to: 'no@far.example' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'no route' })
  expect((await relay.entries(id))[0]).toMatchObject({ state: 'bounced', notice: 'no route' })
})

test('notices go on the queue notices where there is one', async () => {
  await using mx = await startMx(REFUSES, MX_PLACE)
  const queues = { 'queues/notices.yaml': 'priority: 60\nretry: [30m]\ngive-up-after: 1d\n' }
  for (const files of [queues, {}]) {
    const mxs = { 'far.example': [mx], 'near.example': [mx] }
    await using relay = await startRelay({ mx: mxs, files })
    await relay.until('ended', await relay.send({ to: 'no@far.example' }))
    const { entries } = await relay.real.queue.find({ from: '<>' }, { limit: 5 })
    expect(entries.map(({ queue }) => queue)).toEqual([files === queues ? 'notices' : 'default'])
  }
})

for (const [listed, base] of [
  ['relay.near.example', 'relay.near.example'],
  ["'*.near.example'", 'near.example'],
])
  test(`notices are signed by the rule of the host name's domain: ${listed}`, async () => {
    await using mx = await startMx(REFUSES, MX_PLACE)
    const signing = newSigning(base!)
    const keys = signing.keys.map(({ selector, key }) => [
      `keys/${selector}.pem`,
      key.export({ type: 'pkcs8', format: 'pem' }) as string,
    ])
    const rule = `- domains: [${listed}]\n  keys: [{ selector: s2026, file: keys/s2026.pem }, { selector: e2026, file: keys/e2026.pem }]\n`
    await using relay = await startRelay({
      mx: { 'far.example': [mx], 'near.example': [mx] },
      files: { 'policies/signing.yaml': rule, ...Object.fromEntries(keys) },
    })
    await relay.send({ to: 'no@far.example' })
    const bounce = await arrived(mx)
    expect(await mailauthSays(bounce.content, signing)).toEqual(['pass', 'pass'])
    const signed = (await relay.until('attempted')).attempt.signed
    expect(signed).toBe('unsigned: no key for near.example')
    expect((await relay.until('attempted')).attempt.signed).toContain(`d=${base} s=s2026`)
  })

function waitsFor(name: string): (command: string) => string {
  return (command) => (command.includes(name) ? '450 4.2.0 Later' : '250 ok')
}

async function arrived(mx: Mx, count = 1): Promise<Mx['taken'][number]> {
  await mx.until(() => mx.taken.length >= count)
  return mx.taken.at(-1)!
}
