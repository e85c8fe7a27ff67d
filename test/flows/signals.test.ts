// SIGTERM and Ctrl-C: the relay ends what it has begun and then itself, with 0; a second signal
// does not wait. Also where an older Node or npm stands between.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createProcess, greets, run, until, type RelayProcess } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'

const root = join(import.meta.dirname, '../..')
const SCRIPT = join(root, 'scripts/waypost.js')

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  test(`${signal} ends an idle relay at once, with 0`, async () => {
    await using relay = await createProcess({ hop: 9 })
    await using running = await launch(relay, process.execPath, ['src/cli.ts', 'start'])
    running.child.kill(signal)
    expect(await running.ended).toBe(0)
  })

test('a second signal ends a relay that waits for a server, at once and with 1', async () => {
  await using server = await startSilent()
  await using relay = await createProcess({ hop: server.port })
  await using running = await launch(relay, process.execPath, ['src/cli.ts', 'start'])
  await using talk = await openTalk(relay.port)
  const mail = { from: 'app@near.example', to: ['bo@far.example'], content: numbered(1, 100) }
  await sendMail(talk, mail)
  await server.called
  running.child.kill('SIGTERM')
  await until(() => running.said().includes('Stopping'))
  await wait(400) // closer together they are one act: npm passes on what a terminal sent already
  expect(running.child.exitCode).toBe(null)
  running.child.kill('SIGINT')
  expect(await running.ended).toBe(1)
})

test('the same signal from two sides is one', async () => {
  await using server = await startSilent()
  await using relay = await createProcess({
    hop: server.port,
    environment: { WAYPOST_DRAIN: '700ms' },
  })
  await using running = await launch(relay, process.execPath, ['src/cli.ts', 'start'])
  await using talk = await openTalk(relay.port)
  const mail = { from: 'app@near.example', to: ['bo@far.example'], content: numbered(1, 100) }
  await sendMail(talk, mail)
  await server.called
  running.child.kill('SIGINT')
  running.child.kill('SIGINT')
  expect(await running.ended).toBe(0)
})

const older = await olderNode()
if (older === undefined) console.warn('Skipped: no Node under 24.15 is installed beside ours')

test.skipIf(older === undefined)(
  'an older Node starts the relay with the right one, and passes on signals and exit codes',
  async () => {
    await using relay = await createProcess({ hop: 9 })
    const wrong = await run(older!, [SCRIPT, 'queue', 'nonsense'], relay.environment)
    expect(wrong.code).toBe(2)
    await using running = await launch(relay, older!, [SCRIPT, 'start'])
    running.child.kill('SIGTERM')
    expect(await running.ended).toBe(0)
    expect(await greets(relay.port)).toBe(false)
  },
)

test('npm start runs the relay, and SIGTERM to npm ends it', async () => {
  await using relay = await createProcess({ hop: 9 })
  const path = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`
  await using running = await launch(relay, 'npm', ['start'], { PATH: path })
  running.child.kill('SIGTERM')
  await running.ended
  await until(async () => !(await greets(relay.port)))
  expect(running.said()).toContain('Stopping')
})

interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  said(): string
}

/** Starts the relay by this program, and resolves when it greets. */
async function launch(
  relay: RelayProcess,
  program: string,
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const env = { ...relay.environment, ...more }
  const child = spawn(program, words, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (some) => (text += some))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const dispose = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  }
  const running = { child, ended, said: () => text, [Symbol.asyncDispose]: dispose }
  await until(
    () => greets(relay.port),
    () => text,
    30_000,
  )
  return running
}

/** Takes connections and never says a word. */
async function startSilent() {
  const called = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    called.resolve()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    called: called.promise,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

async function olderNode(): Promise<string | undefined> {
  for (const path of ['/usr/local/bin/node', '/usr/bin/node']) {
    if (!existsSync(path)) continue
    const { out } = await run(path, ['-p', 'process.versions.node'])
    const [major = 0, minor = 0] = out.split('.').map(Number)
    if (major < 24 || (major === 24 && minor < 15)) return path
  }
  return undefined
}
