import { expect, test } from 'vitest'
import { startMx } from '../peers/mx.ts'
import { createProcess, until } from '../peers/process.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'

const BY = { who: 'olga', why: 'a trial' }

test('held mail waits without end and goes on when it is released', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const { queue } = relay.real
  await queue.hold({ kind: 'destination', name: 'far.example' }, BY)
  const id = await relay.send({ from: '<>', to: 'bo@far.example' })
  const kept = [{ scope: { kind: 'destination', name: 'far.example' }, count: 1 }]
  expect(await queue.steer('release', { ids: [id] }, BY)).toMatchObject({ count: 0, kept })
  relay.pass('200h')
  expect((await relay.entries(id))[0]).toMatchObject({ state: 'held' })

  await queue.unhold({ kind: 'destination', name: 'far.example' }, BY)
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  const trace = await queue.trace(id)
  expect(JSON.stringify(trace?.facts)).toContain('olga')
})

test('a relay that is started held takes mail and sends none until it is released', async () => {
  await using mx = await startMx({})
  await using relay = await createProcess({ hop: mx.port })
  await relay.start('--held')
  {
    await using talk = await openTalk(relay.port)
    const mail = { from: 'app@near.example', to: ['bo@far.example'], content: numbered(1, 500) }
    await sendMail(talk, mail)
  }
  const [entry] = await relay.entries()
  expect(entry).toMatchObject({ state: 'held', held: { scope: { kind: 'all' } } })
  expect(mx.taken).toEqual([])
  expect((await relay.waypost('queue', 'release', '--all', '--yes')).code).toBe(0)
  await until(() => mx.taken.length === 1)
})

test('a retry by an operator does not wait for the schedule', async () => {
  await using mx = await startMx({ RCPT: ['450 4.7.1 Later', '250 ok'] }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: 'bo@far.example' })
  await relay.until('attempted', id)
  expect(await relay.real.queue.steer('retry', { ids: [id] }, BY)).toMatchObject({ count: 1 })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

test('cancelled mail ends without a notice, with who and why', async () => {
  await using mx = await startMx({ RCPT: '450 4.7.1 Later' }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: 'bo@far.example' })
  await relay.until('attempted', id)
  await relay.real.queue.steer('cancel', { ids: [id] }, BY)
  expect((await relay.entries(id))[0]).toMatchObject({ state: 'cancelled' })
  const trace = await relay.real.queue.trace(id)
  expect(trace?.facts.at(-1)).toMatchObject({ kind: 'act', act: 'cancel', ...BY })
})

test('refused mail bounces with the reason of the operator', async () => {
  await using mx = await startMx(
    { RCPT: (command: string) => (command.includes('bo@') ? '450 4.7.1 Later' : '250 ok') },
    MX_PLACE,
  )
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'near.example': [mx] } })
  const id = await relay.send({ to: 'bo@far.example' })
  await relay.until('attempted', id)
  await relay.real.queue.steer('refuse', { ids: [id] }, { who: 'olga', why: 'Sent in error' })
  relay.pass('2s')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'bounced', notice: 'sent' })
  await mx.until(() => mx.taken.length === 1)
  expect(mx.taken[0]!.content.toString()).toContain('Sent in error')
})

test('mail to two sites is two deliveries, and one that is down does not stop the other', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const down = { address: '127.0.0.254' }
  await using relay = await startRelay({ mx: { 'far.example': [mx], 'down.example': [down] } })
  const id = await relay.send({ to: ['bo@far.example', 'di@down.example'] })
  expect(await relay.until('ended', id)).toMatchObject({ to: 'bo@far.example', end: 'delivered' })
  const states = (await relay.entries(id)).map(({ to, state }) => [to, state])
  expect(states).toContainEqual(['di@down.example', 'waiting'])
})
