// When the relay takes mail, and what it says of itself while it does not: too little free space,
// and its end. Also who counts as local.

import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { MessageId } from '../../src/queue/port/types.ts'
import { Talk } from '../listen/world.ts'
import { ON_REDIS } from '../peers/engine.ts'
import { startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay, type Relay } from '../peers/relay.ts'

const ADMIN = { WAYPOST_ADMIN: 'http://127.0.0.1:0' }

test.skipIf(ON_REDIS)(
  'under the reserve of free space MAIL is put off, and readiness says why',
  async () => {
    const environment = { ...ADMIN, WAYPOST_DISK_RESERVE: '900000GB' }
    await using relay = await startRelay({ environment })
    await using talk = await greeted(relay)
    expect(await talk.say('MAIL FROM:<ana@near.example>')).toMatch(/^452 4\.3\.1 /)
    expect(await talk.say('NOOP')).toMatch(/^250 /)
    const [code, why] = await readiness(relay)
    expect(code).toBe(503)
    expect(why).toMatch(
      /^not ready: Free space is under WAYPOST_DISK_RESERVE: no mail is taken; [\d.]+[KMGT]B free, and 878\.9TB should be\n$/,
    )
    const told = relay.events.filter((event) => event.kind === 'note' && event.level === 'error')
    expect(told).toHaveLength(1)
    expect(told[0]).toMatchObject({ text: why.slice('not ready: '.length, -1) })
  },
)

test('metrics say whether the policies are sound, which queues there are, and when a certificate ends', async () => {
  await using relay = await startRelay({ environment: ADMIN })
  const metrics = async (): Promise<string> => {
    const response = await fetch(`${relay.real.status().admin}/metrics`)
    return response.text()
  }
  const text = await metrics()
  expect(text).toContain('waypost_policies_sound 1\n')
  expect(text).toContain('waypost_oldest_seconds{state="waiting",queue="default"} 0\n')
  expect(text).toContain('waypost_suspended_sites{cause="login"} 0\n')
  expect(text).not.toMatch(/^waypost_certificate_end|_active_handles_total/m)
  await writeFile(join(relay.folder, 'policies/relay.yaml'), '- alow: everybody\n')
  await relay.holds(() =>
    relay.events.some((event) => event.kind === 'note' && event.level === 'error'),
  )
  expect(await metrics()).toContain('waypost_policies_sound 0\n')
  const [process] = await relay.real.queue.processes()
  if (!ON_REDIS) expect(process!.policyProblem!.text).toContain('relay.yaml:1')
})

test('a relay that stops lets transactions finish, and leaves what it accepts to the next start', async () => {
  await using mx = await startMx({}, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, environment: ADMIN })
  expect(await readiness(relay)).toEqual([200, 'ready\n'])
  await using idle = await greeted(relay)
  await using talk = await greeted(relay)
  await talk.say('MAIL FROM:<ana@near.example>')
  await using slow = await greeted(relay)
  await slow.say('MAIL FROM:<ana@near.example>')
  const drained = relay.real.drain(30_000)
  expect(await readiness(relay)).toEqual([503, 'not ready: The relay is stopping\n'])
  expect(await idle.hear()).toMatch(/^421 4\.3\.2 /)
  await talk.say('RCPT TO:<bo@far.example>')
  await talk.say('DATA')
  expect(await talk.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 2\.0\.0 queued as /)
  expect(await talk.hear()).toMatch(/^421 4\.3\.2 /)
  await slow.say('RCPT TO:<di@far.example>')
  await slow.say('DATA')
  for (let n = 0; n < 50; n++) slow.write('x\r\n')
  expect(await slow.say('.')).toMatch(/^250 2\.0\.0 queued as /)
  await drained
  const id = (await relay.until('accepted')).id as MessageId
  expect(await relay.entries(id)).toMatchObject([{ state: 'waiting', attempts: 0 }])
  expect(mx.sessions).toBe(0)
})

test('a client on loopback is local only to a listener on loopback', async () => {
  const listen = ['smtp://127.0.0.1:0', 'smtp://0.0.0.0:0', 'smtp://[::]:0']
  const environment = { WAYPOST_LISTEN: listen.join(',') }
  const rule = "- allow: { clients: [127.0.0.0/8, '::1/128'] }\n"
  await using relay = await startRelay({ environment, files: { 'policies/relay.yaml': rule } })
  const ports = relay.real.status().listeners.map(({ port }) => port)
  const replies: string[] = []
  for (const port of ports) {
    await using talk = await greeted(relay, port)
    replies.push((await talk.say('MAIL FROM:<ana@near.example>')).slice(0, 9))
  }
  expect(replies).toEqual(['250 2.1.0', '550 5.7.1', '550 5.7.1'])
})

test('a client that comes over IPv6 with an IPv4 address is named by that', async () => {
  const rule = '- allow: { clients: [127.0.0.0/8] }\n'
  await using relay = await startRelay({
    environment: { WAYPOST_LISTEN: 'smtp://[::ffff:127.0.0.1]:0' },
    files: { 'policies/relay.yaml': rule },
  })
  await using talk = await greeted(relay)
  await talk.say('MAIL FROM:<ana@near.example>')
  await talk.say('RCPT TO:<bo@far.example>')
  await talk.say('DATA')
  await talk.say('Subject: x\r\n\r\nx\r\n.')
  expect(await relay.until('accepted')).toMatchObject({ client: '127.0.0.1' })
})

async function greeted(relay: Relay, port = relay.port): Promise<Talk> {
  const talk = new Talk(connect(port, '127.0.0.1'))
  await talk.hear()
  await talk.say('EHLO app.example')
  return talk
}

async function readiness(relay: Relay): Promise<[number, string]> {
  const response = await fetch(`${relay.real.status().admin}/readyz`)
  return [response.status, await response.text()]
}
