// What the relay says of itself: one JSON line an event, and metrics, without secrets.

import { expect, test } from 'vitest'
import { startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'
import type { Relay } from '../peers/relay.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { createTransport } from 'nodemailer'
import { hashPassword } from '../../src/policy/password.ts'

const BY = { who: 'olga', why: 'Sent in error' }
const JSON_LINES = { WAYPOST_LOG: 'json' }

interface Line extends Record<string, unknown> {
  readonly event: string
  readonly time: string
}

test('each step of a message is a line of JSON with all that is known', async () => {
  const RCPT = (command: string) => (command.includes('no@') ? '550 5.1.1 No' : '250 ok')
  await using mx = await startMx({ RCPT, certificate: makeCertificate() }, MX_PLACE)
  await using relay = await startRelay({
    mx: { 'far.example': [mx], 'near.example': [mx] },
    environment: JSON_LINES,
  })
  const id = await relay.send({ to: ['bo@far.example', 'no@far.example'] })
  await relay.until('ended', id)
  await relay.until('ended', id)
  const lines = await linesOf(relay, id, 4)
  expect(lines[0]).toMatchObject({
    event: 'accepted',
    from: 'ana@near.example',
    to: ['bo@far.example', 'no@far.example'],
    client: '127.0.0.1',
    rule: 'relay.yaml:1',
  })
  const delivered = lines.find(({ event }) => event === 'delivered')!
  expect(delivered).toMatchObject({
    id,
    delivery: `${id}-1`,
    from: 'ana@near.example',
    to: 'bo@far.example',
    queue: 'default',
    destination: 'far.example',
    site: `mx-${mx.address.replaceAll('.', '-')}.example`,
    address: mx.address,
    source: '127.0.0.1',
    tls: 'TLSv1.3',
    stage: 'dot',
    reply: '250 2.0.0 taken',
    attempts: 1,
  })
  expect(delivered.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect(delivered['milliseconds']).toBeTypeOf('number')
  const refused = lines.find(({ event }) => event === 'refused')!
  expect(refused).toMatchObject({ to: 'no@far.example', reply: '550 5.1.1 No', by: 'server' })
  const bounced = lines.find(({ event }) => event === 'bounced')!
  expect(bounced).toMatchObject({ to: 'no@far.example', notice: 'sent' })
})

test('what waits, is warned of, held, cancelled or expires is told', async () => {
  await using mx = await startMx({ RCPT: '450 4.2.0 Later' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, environment: JSON_LINES })
  const [first, second] = await relay.sendAll([{ to: 'bo@far.example' }, { to: 'cy@far.example' }])
  await relay.until('attempted', first)
  await relay.until('attempted', second)
  const { queue } = relay.real
  await queue.steer('hold', { ids: [second!] }, BY)
  await queue.steer('cancel', { ids: [second!] }, BY)
  relay.pass('4h')
  await relay.until('warned', first)
  relay.pass('120h')
  await relay.until('ended', first)
  const told = await linesOf(relay, first!, 4)
  expect(new Set(told.map(({ event }) => event))).toEqual(
    new Set(['accepted', 'deferred', 'warned', 'expired']),
  )
  const deferred = told.find(({ event }) => event === 'deferred')!
  expect(Date.parse(String(deferred['next'])) - Date.parse(deferred.time)).toBe(60_000)
  expect((await linesOf(relay, second!, 3)).at(-1)).toMatchObject({
    event: 'cancelled',
    delivery: `${second}-1`,
    from: 'ana@near.example',
    to: 'cy@far.example',
    queue: 'default',
    destination: 'far.example',
    by: 'olga',
    reason: 'Sent in error',
  })
  const steered = allLines(relay).filter(({ who }) => who === 'olga')
  expect(steered).toMatchObject([
    { event: 'hold', count: 1, busy: 0 },
    { event: 'cancel', count: 1, busy: 0 },
  ])
})

test('an attempt that a lapsed lease has cut off is told, and counted as a possible double', async () => {
  const gate = Promise.withResolvers<string>()
  let asked = 0
  const dot = () => (asked++ === 0 ? gate.promise : '250 ok')
  await using mx = await startMx({ dot }, MX_PLACE)
  await using relay = await startRelay({
    mx: { 'far.example': [mx] },
    environment: { ...JSON_LINES, WAYPOST_ADMIN: 'http://127.0.0.1:0' },
  })
  const id = await relay.send({ to: 'bo@far.example' })
  await expect.poll(() => asked).toBe(1)
  // Nobody renewed the lease in time.
  relay.pass('5m')
  await relay.until('interrupted', id)
  gate.resolve('250 2.0.0 ok')
  await relay.until('ended', id)
  expect((await linesOf(relay, id, 3)).map(({ event }) => event)).toContain('interrupted')
  expect(await scrape(relay)).toMatch(/^waypost_interrupted_total 1$/m)
})

const PASSWORD = 'korrekt-Pferd-17'
const SMART = 'offener-Sesam-23'
const BODY = 'the-secret-of-the-body'

test('no password, no login and no content is ever logged', { timeout: 30_000 }, async () => {
  await using mx = await startMx({
    AUTH: ['535 5.7.8 Wrong', '235 2.7.0 ok'],
    offers: ['AUTH PLAIN'],
  })
  const via = `{ host: 127.0.0.1, port: ${mx.port}, tls: none, user: me, password-env: SMART_PASSWORD, password-without-verification: true }`
  await using relay = await startRelay({
    environment: { ...JSON_LINES, SMART_PASSWORD: SMART, WAYPOST_ADMIN: 'http://127.0.0.1:0' },
    files: {
      'policies/routing.yaml': `- { to: ['*'], via: ${via}, queue: default }\n`,
      'policies/relay.yaml': "- allow: { users: ['*'] }\n",
      'policies/listen.yaml': 'auth-without-tls: loopback\n',
      'policies/users.yaml': `billing: { password: '${await hashPassword(PASSWORD)}' }\n`,
    },
  })
  await submit(relay, 'PLAIN', PASSWORD)
  await relay.until('suspended')
  await submit(relay, 'LOGIN', PASSWORD)
  await submit(relay, 'PLAIN', `${PASSWORD}-wrong`)
  relay.pass('61s')
  await relay.holds(() => relay.events.filter(({ kind }) => kind === 'ended').length === 2)
  expect(mx.taken).toHaveLength(2)
  expect(mx.taken[0]!.content.toString()).toContain(BODY)

  const { queue } = relay.real
  const { entries } = await queue.find({}, { limit: 10 })
  const traces = await Promise.all(entries.map(({ id }) => queue.trace(id)))
  const metrics = await scrape(relay)
  await expect.poll(() => relay.log()).toContain('"event":"login"')
  expect(relay.log()).toContain('"ok":false')
  for (const text of [relay.log(), JSON.stringify(traces), JSON.stringify(relay.events), metrics])
    for (const secret of secrets()) expect(text).not.toContain(secret)
})

test('a scrape has what was promised, and no label names a domain', async () => {
  await using mx = await startMx({ RCPT: ['450 4.2.0 Later', '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({
    mx: { 'far.example': [mx], 'too.example': [mx] },
    environment: { WAYPOST_ADMIN: 'http://127.0.0.1:0' },
  })
  await relay.until('attempted', await relay.send({ to: 'bo@far.example' }))
  await relay.until('ended', await relay.send({ to: 'cy@too.example' }))
  const text = await scrape(relay)
  const expected = [
    /^waypost_messages_accepted_total 2$/m,
    /^waypost_recipients_accepted_total 2$/m,
    /^waypost_attempts_total\{outcome="deferred",class="temporary",stage="rcpt",by="server"\} 1$/m,
    /^waypost_attempts_total\{outcome="delivered",class="success",stage="dot",by="server"\} 1$/m,
    /^waypost_recipients_ended_total\{end="delivered",notice="none"\} 1$/m,
    /^waypost_recipients\{state="waiting"\} 1$/m,
    /^waypost_queue_recipients\{queue="default"\} 1$/m,
    /^waypost_delivery_seconds_bucket\{le="0\.01"\} \d+$/m,
    /^waypost_delivery_seconds_count 1$/m,
    /^waypost_connections_open\{direction="out"\} \d+$/m,
    /^waypost_connections_total\{direction="in"\} 2$/m,
    /^waypost_commit_seconds_count \d+$/m,
  ]
  for (const line of expected) expect(text).toMatch(line)
  expect(text).not.toMatch(/far\.example|too\.example|near\.example|127\.\d/)
})

async function submit(relay: Relay, method: string, pass: string): Promise<void> {
  const application = createTransport({
    host: '127.0.0.1',
    port: relay.port,
    ignoreTLS: true,
    authMethod: method,
    auth: { user: 'billing', pass },
  })
  const mail = { from: 'ana@near.example', to: 'bo@far.example', subject: 'x', text: BODY }
  const sending = application.sendMail(mail)
  if (pass === PASSWORD) await sending
  else await expect(sending).rejects.toThrow('535')
}

function secrets(): string[] {
  const words = [PASSWORD, SMART, BODY, `\0billing\0${PASSWORD}`, `\0me\0${SMART}`]
  return words.flatMap((word) => [word, Buffer.from(word).toString('base64')])
}

async function scrape(relay: Relay): Promise<string> {
  const response = await fetch(new URL('/metrics', relay.real.status().admin))
  return await response.text()
}

/** The lines of this message, when there are as many. */
async function linesOf(relay: Relay, id: string, count: number): Promise<Line[]> {
  const lines = (): Line[] => allLines(relay).filter((line) => line['id'] === id)
  await expect.poll(() => lines().length).toBeGreaterThanOrEqual(count)
  return lines()
}

function allLines(relay: Relay): Line[] {
  const lines = relay.log().split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line)
}
