// A relay that cannot start says in one sentence why, and what to do. It ends with 1, or with 2
// where its settings or policies are wrong, which no further start will mend.

import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ON_REDIS } from '../peers/engine.ts'
import { createProcess, run, type ProcessOptions, type RelayProcess } from '../peers/process.ts'

const TLS = { WAYPOST_TLS_CERT: 'CONFIG/cert.pem', WAYPOST_TLS_KEY: 'CONFIG/key.pem' }
const KEY = 'keys: [{ selector: s1, file: keys/s1.pem }]'

type Case = [what: string, options: ProcessOptions, code: number, says: string | RegExp]

const OF_EMBEDDED: Case[] = [
  [
    'with a file in place of the data folder',
    { environment: { WAYPOST_DATA: 'CONFIG/policies/relay.yaml' } },
    1,
    /Cannot use the data folder ".*relay\.yaml": EEXIST.*; WAYPOST_DATA /,
  ],
]

const OF_REDIS: Case[] = [
  [
    'where no Redis is',
    { environment: { WAYPOST_REDIS: 'redis://ana:secret@127.0.0.1:1/0' } },
    1,
    'Cannot reach Redis at redis://ana@127.0.0.1:1/0: connect ECONNREFUSED 127.0.0.1:1; does it run, and is WAYPOST_REDIS right?',
  ],
]

const CASES: Case[] = [
  ...(ON_REDIS ? OF_REDIS : OF_EMBEDDED),
  [
    'without policies',
    { environment: { WAYPOST_CONFIG: '/nowhere.invalid' } },
    2,
    /policies\/: there is no such folder in "\/nowhere\.invalid".*WAYPOST_CONFIG.*`waypost init`/,
  ],
  [
    'with a mistake in a policy',
    { files: { 'policies/relay.yaml': '- allow: { client: [127.0.0.0/8] }\n' } },
    2,
    /relay\.yaml:1: "client": is no known key, did you mean "clients"/,
  ],
  [
    'with a rule for a queue that has no file',
    { routing: "- { to: ['*'], via: mx, queue: urgent }\n" },
    2,
    /routing\.yaml:1: .*urgent/,
  ],
  [
    'without a key that signing names',
    { files: { 'policies/signing.yaml': `- { domains: [a.example], ${KEY} }\n` } },
    2,
    /signing\.yaml:1: "file": is "keys\/s1\.pem", which cannot be read: ENOENT/,
  ],
  [
    'without its certificate',
    { environment: TLS },
    1,
    /Cannot read ".*cert\.pem": ENOENT, should be a PEM file; WAYPOST_TLS_CERT/,
  ],
  [
    'with a certificate that is none',
    { environment: TLS, files: { 'cert.pem': 'x', 'key.pem': 'x' } },
    1,
    /Cannot use the certificate ".*cert\.pem" with the key ".*key\.pem"/,
  ],
  [
    'on an address that is not here',
    { environment: { WAYPOST_LISTEN: 'smtp://192.0.2.1:2525' } },
    1,
    'Cannot listen on "192.0.2.1:2525": this machine has no such address; set WAYPOST_LISTEN to another address',
  ],
  [
    'with settings that are none',
    { environment: { WAYPOST_LISTN: 'x', WAYPOST_DRAIN: 'soon' } },
    2,
    /WAYPOST_LISTN: is not a setting, did you mean WAYPOST_LISTEN\?.*\n.*WAYPOST_DRAIN: "soon"/,
  ],
]
for (const [what, options, code, says] of CASES)
  test(`${what} the relay ends with ${code} and says what to do`, async () => {
    await using relay = await createProcess({ hop: 9, ...options })
    expectSentence(await relay.waypost('start'), code, says)
  })

test('on a port that is taken the relay ends with 1 and says which setting to change', async () => {
  await using taken = await takePort()
  await using relay = await createProcess({ hop: 9 })
  const place = `127.0.0.1:${taken.port}`
  const because = `Cannot listen on "${place}": another program listens there`
  for (const [name, scheme, advice] of [
    ['WAYPOST_LISTEN', 'smtp', 'set WAYPOST_LISTEN to another address'],
    ['WAYPOST_ADMIN', 'http', 'set WAYPOST_ADMIN to another address, or to none'],
  ] as const) {
    const ran = await start(relay, { [name]: `${scheme}://${place}` })
    expectSentence(ran, 1, `${because}; ${advice}`)
  }
})

test('files that are not there are told at the start', async () => {
  await using relay = await createProcess({ hop: 9 })
  await relay.start()
  const told = (): string =>
    relay
      .log()
      .map((line) => String(line['text']))
      .join('\n')
  await expect.poll(told).toMatch(/users\.yaml/)
  expect(await relay.stop()).toBe(0)
})

test('a relay on what is shipped goes over to the configuration that the first user is added to', async () => {
  await using relay = await createProcess({ hop: 9, environment: { WAYPOST_CONFIG: '' } })
  await relay.start()
  const told = (): string =>
    relay
      .log()
      .flatMap((line) => String(line['text']))
      .join('\n')
  await expect.poll(told).toContain(', as shipped')
  const added = await relay.waypost('user', 'add', 'billing', '--generate')
  expect(added).toMatchObject({ code: 0 })
  expect(added.err).toContain('without a restart')
  const own = join(relay.data, 'config')
  await expect.poll(told).toContain(`The policies are those of "${own}" now`)
  const { out } = await relay.waypost('user', 'list', '--json')
  expect(JSON.parse(out)).toMatchObject({ name: 'billing' })
  expect(await relay.stop()).toBe(0)
})

function start(relay: RelayProcess, environment: Readonly<Record<string, string>>) {
  const words = [join(import.meta.dirname, '../../src/cli.ts'), 'start']
  return run(process.execPath, words, { ...relay.environment, ...environment })
}

type Ran = Awaited<ReturnType<typeof run>>

function expectSentence({ code, out, err }: Ran, expected: number, says: string | RegExp): void {
  expect(err).toMatch(says)
  expect(code).toBe(expected)
  expect(err).not.toMatch(/^ +at |node:internal/m)
  expect(out).not.toContain('"error"')
}

async function takePort(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: async () => void server.close() }
}
