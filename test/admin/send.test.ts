import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listeningOf } from '../../src/admin/commands/send.ts'
import { startSink, type Sink } from '../../src/sink/sink.ts'
import type { SinkEvent } from '../../src/sink/world.ts'
import { startRelay, type Relay } from '../../src/main.ts'
import { realWorld } from '../../src/start/world.ts'
import { readSettings } from '../../src/settings/settings.ts'
import { waypost, type Run } from './run.ts'

let folder = ''
let sink: Sink
let relay: Relay
let events: SinkEvent[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-send-'))
  events = []
  sink = await startSink({ host: '127.0.0.1', port: 0, report: (event) => events.push(event) })
  await mkdir(join(folder, 'policies'))
  await mkdir(join(folder, 'queues'))
  const hop = `{ host: 127.0.0.1, port: ${sink.port}, tls: none }`
  await writeFile(join(folder, 'policies/relay.yaml'), '- allow: { clients: [127.0.0.0/8] }\n')
  await writeFile(join(folder, 'policies/routing.yaml'), `- { to: ['*'], via: ${hop} }\n`)
  const queue = 'priority: 10\nretry: [100ms]\ngive-up-after: 5d\n'
  await writeFile(join(folder, 'queues/default.yaml'), queue)
  const settings = readSettings({
    WAYPOST_CONFIG: folder,
    WAYPOST_DATA: join(folder, 'data'),
    WAYPOST_LISTEN: 'smtp://127.0.0.1:0',
    WAYPOST_HOSTNAME: 'relay.example',
    WAYPOST_ADMIN: 'none',
    WAYPOST_LOG: 'off',
  })
  relay = await startRelay(settings, { ...realWorld, terminal: false })
})

afterEach(async () => {
  await relay[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function run(...words: string[]): Promise<Run> {
  return waypost(words, { data: join(folder, 'data'), config: folder })
}

test('a test message is followed until each recipient has ended', async () => {
  const sent = await run('send', 'bo@far.example', 'defer1-cy@far.example', '--wait', '15s')
  expect(sent.err).toBe('')
  expect(sent.code).toBe(0)
  expect(sent.out).toContain('deferred at rcpt: the server said "450 4.7.1 Greylisted')
  expect(sent.out).toMatch(/^defer1-cy@far\.example: delivered .* after 2 attempts$/m)
  const taken = events.find(({ kind }) => kind === 'taken')
  const content = taken?.kind === 'taken' ? taken.content.toString() : ''
  expect(content).toContain('Subject: Waypost test message\r\n')
})

test('a recipient that bounced makes the command fail, and the trace says why', async () => {
  const sent = await run('send', 'reject-bo@far.example', '--wait', '15s')
  expect(sent.code).toBe(1)
  expect(sent.out).toContain('refused at rcpt: the server said "550 5.1.1 No such user here"')
  expect(sent.out).toMatch(/^reject-bo@far\.example: bounced .*, notice sent$/m)
})

test('when the time is over the command says how to go on', async () => {
  const sent = await run('send', 'drop-bo@far.example', '--wait', '300ms')
  expect(sent.code).toBe(1)
  expect(sent.out).toMatch(/Go on with `waypost trace \w+`/)
})

test('facts are objects, one a line, and the last lines are the states', async () => {
  const sent = await run('send', 'bo@far.example', '--wait', '15s', '--json')
  expect(sent.json.map(({ fact }) => fact)).toEqual(['accepted', 'settled', 'now'])
  expect(sent.json.at(-1)).toMatchObject({ state: 'delivered', to: 'bo@far.example' })
})

test('what is no address is wrong use, and a refusal of the relay is told word for word', async () => {
  expect((await run('send', 'bo')).code).toBe(2)
  await writeFile(join(folder, 'policies/relay.yaml'), '')
  await expect
    .poll(async () => (await run('send', 'bo@far.example')).err)
    .toMatch(/answered (MAIL FROM|RCPT TO).* with "5\d\d/)
})

test('loopback listeners of another machine are not taken for our own', () => {
  const there = {
    id: 'there',
    leases: 0,
    name: 'there-1',
    hostname: 'relay.example',
    version: '1.2.3',
    roles: ['listen' as const],
    sources: [],
    listeners: ['smtp://127.0.0.1:2500', 'smtp://[::1]:2500', 'smtp://0.0.0.0:2525'],
    host: 'elsewhere.example',
    pid: 1,
    startedAt: 0,
    seenAt: 0,
    isDead: false,
  }
  expect(listeningOf([there]).listeners).toEqual([
    { scheme: 'smtp', host: 'elsewhere.example', port: 2525 },
  ])
  const here = { ...there, host: hostname() }
  expect(listeningOf([here]).listeners.map(({ host }) => host)).toEqual([
    '127.0.0.1',
    '::1',
    '127.0.0.1',
  ])
})
