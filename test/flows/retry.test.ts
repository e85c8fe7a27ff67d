import { expect, test } from 'vitest'
import { drop, startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'

test('mail goes to the MX host and arrives as it was sent', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })

  const id = await relay.send({ to: 'bo@far.example', subject: 'Hi', text: 'One\n.\n..two\n' })
  const ended = await relay.until('ended', id)
  expect(ended).toMatchObject({ end: 'delivered', to: 'bo@far.example' })
  expect(mx.taken).toHaveLength(1)
  const content = mx.taken[0]!.content.toString()
  expect(content).toMatch(/^Received: from .*\r\n\tby relay\.near\.example/)
  expect(content).toContain('\r\nSubject: Hi\r\n')
  expect(content).toContain('One\r\n.\r\n..two\r\n')
})

test('greylisted mail is tried again, and arrives once', async () => {
  await using mx = await startMx({ RCPT: ['450 4.7.1 Come back later', '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })

  const id = await relay.send({ to: 'bo@far.example' })
  const first = await relay.until('attempted', id)
  expect(first.outcome).toMatchObject({ kind: 'deferred', stage: 'rcpt', scope: 'recipient' })
  expect(first.outcome.reply).toMatchObject({ code: 450, status: '4.7.1' })
  expect(mx.taken).toHaveLength(0)

  relay.pass('2m')
  await relay.until('ended', id)
  expect(mx.taken).toHaveLength(1)
})

test('a dead host falls to the next', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const dead = { address: '127.0.0.254' }
  await using relay = await startRelay({ mx: { 'far.example': [dead, mx] } })

  const id = await relay.send({ to: 'bo@far.example' })
  const attempted = await relay.until('attempted', id)
  expect(attempted.outcome.kind).toBe('delivered')
  expect(attempted.attempt.notes?.join(' ')).toContain('127.0.0.254')
})

test('trouble before MAIL suspends the site and burns no attempt', async () => {
  await using mx = await startMx({ greeting: '421 4.3.2 Not now' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })

  const id = await relay.send({ to: 'bo@far.example' })
  const suspended = await relay.until('suspended')
  expect(suspended.lanes).toContain('far.example')
  expect(suspended.reason).toContain('Not now')
  await expect
    .poll(async () => (await relay.entries(id))[0])
    .toMatchObject({ state: 'waiting', attempts: 0 })

  mx.change({ greeting: '220 hello' })
  relay.pass('2m')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

test('a connection lost after MAIL is an attempt of that delivery alone', async () => {
  await using mx = await startMx({ RCPT: [drop, '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })

  const id = await relay.send({ to: 'bo@far.example' })
  expect((await relay.until('attempted', id)).outcome.kind).toBe('deferred')
  expect((await relay.entries(id))[0]).toMatchObject({ state: 'waiting', attempts: 1 })
  relay.pass('2m')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

test('a reply to the dot that was not seen is unknown, and waits one step more', async () => {
  await using mx = await startMx({ dot: [drop, '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })

  const id = await relay.send({ to: 'bo@far.example' })
  const attempted = await relay.until('attempted', id)
  expect(attempted.outcome).toMatchObject({ kind: 'unknown', stage: 'dot' })
  expect(attempted.next! - relay.clock.now()).toBeGreaterThanOrEqual(4 * 60_000)

  relay.pass('6m')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  expect(mx.taken.length).toBeGreaterThanOrEqual(1)
})

test('each recipient of a transaction has its own outcome', async () => {
  const byName = (command: string): string => (command.includes('no@') ? '550 5.1.1 No' : '250 ok')
  await using mx = await startMx({ RCPT: byName }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })

  const id = await relay.send({ to: ['bo@far.example', 'no@far.example', 'di@far.example'] })
  const ends = [await relay.until('ended', id), await relay.until('ended', id)]
  ends.push(await relay.until('ended', id))
  expect(Object.fromEntries(ends.map(({ to, end }) => [to, end]))).toEqual({
    'bo@far.example': 'delivered',
    'no@far.example': 'bounced',
    'di@far.example': 'delivered',
  })
  expect(mx.taken[0]!.to).toEqual(['bo@far.example', 'di@far.example'])
})

test('a domain that does not exist bounces at once', async () => {
  await using relay = await startRelay()
  const id = await relay.send({ from: '<>', to: 'bo@nowhere.example' })
  const attempted = await relay.until('attempted', id)
  expect(attempted.outcome).toMatchObject({ kind: 'refused', by: 'relay', stage: 'dns' })
  expect(attempted.outcome.reply.status).toBe('5.1.2')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'null sender' })
})

test('a null MX bounces with 5.1.10', async () => {
  await using relay = await startRelay({ zone: { 'none.example': { MX: ['0 .'] } } })
  const id = await relay.send({ from: '<>', to: 'bo@none.example' })
  expect((await relay.until('attempted', id)).outcome.reply.status).toBe('5.1.10')
})

test('DNS that is down burns no attempt', async () => {
  await using relay = await startRelay({ zone: { 'ill.example': 'servfail' } })
  const id = await relay.send({ to: 'bo@ill.example' })
  await relay.until('suspended')
  await expect
    .poll(async () => (await relay.entries(id))[0])
    .toMatchObject({ state: 'waiting', attempts: 0 })
})

test('a private address in an MX record is as good as absent', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const environment = { WAYPOST_MX_REFUSE: '127.0.0.0/8' }
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, environment })
  const id = await relay.send({ from: '<>', to: 'bo@far.example' })
  const { outcome } = await relay.until('attempted', id)
  expect(outcome).toMatchObject({ kind: 'refused', reply: { status: '5.4.4' } })
  expect(mx.sessions).toBe(0)
})

test('mail that is given up expires, also while its lane is suspended', async () => {
  await using relay = await startRelay({ mx: { 'far.example': [{ address: '127.0.0.254' }] } })
  const id = await relay.send({ from: '<>', to: 'bo@far.example' })
  await relay.until('suspended')
  relay.pass('121h')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'expired', notice: 'null sender' })
})
