// `npm run demo`: a relay and two sinks on free loopback ports, twenty messages of an application,
// then what became of each. No DNS and no network; it ends by itself in a few seconds.

import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createTransport } from 'nodemailer'
import { explain } from '../src/admin/cli/story.ts'
import { startSink } from '../src/sink/sink.ts'
import type { SinkEvent } from '../src/sink/world.ts'
import { printable } from '../src/base/escape.ts'
import { startRelay, type Relay } from '../src/main.ts'
import { realWorld } from '../src/start/world.ts'
import type { MessageId } from '../src/queue/port/types.ts'
import { readSettings } from '../src/settings/settings.ts'

const ALPHA = 'alpha.example'
const BETA = 'beta.example'
const SENDER = 'app@shop.example'
const PATIENCE = 12_000

interface Story {
  readonly subject: string
  readonly to: readonly string[]
  readonly bytes?: number
}

const STORIES: readonly Story[] = [
  { subject: 'Your order has been shipped', to: [`ana@${ALPHA}`] },
  { subject: 'Your code is 482913', to: [`bo@${BETA}`] },
  { subject: 'A greylisted one: deferred once, then taken', to: [`defer1-carla@${BETA}`] },
  { subject: 'To an address that does not exist', to: [`reject-nobody@${ALPHA}`] },
  { subject: 'To a slow server', to: [`slow-dan@${BETA}`] },
  { subject: 'To three people at two sites', to: [`eve@${ALPHA}`, `finn@${ALPHA}`, `gus@${BETA}`] },
  { subject: 'Fünf Äpfel, 五個蘋果', to: [`hana@${ALPHA}`] },
  { subject: 'With a large attachment', to: [`ivo@${BETA}`], bytes: 2_000_000 },
  ...Array.from({ length: 12 }, (_, n) => ({
    subject: `Newsletter, copy ${n + 1}`,
    to: [`reader${n + 1}@${n % 2 === 0 ? ALPHA : BETA}`],
  })),
]

// Whoever has seen enough, as `head` has, does not keep the demo from cleaning up.
process.stdout.on('error', () => {})

const startedAt = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'waypost-demo-'))
try {
  process.exitCode = await demo()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function demo(): Promise<number> {
  const bounces: SinkEvent[] = []
  const report = (event: SinkEvent): void => {
    if (event.kind === 'taken' && event.to.includes(SENDER)) bounces.push(event)
  }
  const place = { host: '127.0.0.1', port: 0, slow: 2000, report }
  await using alpha = await startSink({ ...place, hostname: `mx.${ALPHA}` })
  await using beta = await startSink({ ...place, hostname: `mx.${BETA}` })
  await writeConfig(alpha.port, beta.port)
  await using relay = await startRelay(demoSettings(), { ...realWorld, terminal: false })
  const port = relay.status().listeners[0]!.port
  say(`A relay accepts mail on 127.0.0.1:${port}; mx.${ALPHA} and mx.${BETA} take it.\n`)

  const ids = await sendAll(port)
  const seconds = await untilEnded(relay, ids)
  for (const [index, id] of ids.entries()) await tell(relay, id, STORIES[index]!)
  await untilBounced(bounces)
  showBounce(bounces)
  say(
    `\n${ids.length} messages, all ended after ${seconds} s. Nothing was lost and nothing ended silently.`,
  )
  say('Run it for real: npm start')
  return bounces.length === 1 ? 0 : 1
}

function demoSettings(): ReturnType<typeof readSettings> {
  return readSettings({
    WAYPOST_LISTEN: 'smtp://127.0.0.1:0',
    WAYPOST_ADMIN: 'none',
    WAYPOST_CONFIG: folder,
    WAYPOST_DATA: join(folder, 'data'),
    WAYPOST_HOSTNAME: 'relay.shop.example',
    WAYPOST_LOG: 'off',
  })
}

async function writeConfig(alpha: number, beta: number): Promise<void> {
  for (const name of ['policies', 'queues', 'keys']) await mkdir(join(folder, name))
  const hop = (port: number): string => `via: { host: 127.0.0.1, port: ${port}, tls: none }`
  const { privateKey } = generateKeyPairSync('ed25519')
  const files: Record<string, string> = {
    'policies/relay.yaml': '- allow: { clients: [127.0.0.0/8] }\n',
    'policies/routing.yaml': `- { to: [${BETA}], ${hop(beta)} }\n- { to: ['*'], ${hop(alpha)} }\n`,
    'policies/signing.yaml':
      '- { domains: [shop.example], keys: [{ selector: e1, file: keys/e1.pem }] }\n',
    'keys/e1.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    'queues/default.yaml': 'priority: 10\nretry: [1s]\ngive-up-after: 1h\n',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
}

/** An application that knows nothing of relays but SMTP. */
async function sendAll(port: number): Promise<MessageId[]> {
  const application = createTransport({ host: '127.0.0.1', port, pool: true, ignoreTLS: true })
  const ids: MessageId[] = []
  for (const { subject, to, bytes = 400 } of STORIES) {
    const text = 'Hello from the shop.\n'.repeat(Math.ceil(bytes / 21))
    const { response } = await application.sendMail({ from: SENDER, to: [...to], subject, text })
    ids.push(response.split(' ').at(-1) as MessageId)
    say(`  ${response}   ${subject}`)
  }
  application.close()
  return ids
}

async function untilEnded(relay: Relay, ids: readonly MessageId[]): Promise<string> {
  for (;;) {
    const page = await relay.queue.find(
      { ids, states: ['waiting', 'sending', 'held'] },
      { limit: 1 },
    )
    if (page.entries.length === 0 || performance.now() - startedAt > PATIENCE) break
    await wait(50)
  }
  return ((performance.now() - startedAt) / 1000).toFixed(1)
}

async function tell(relay: Relay, id: MessageId, { subject }: Story): Promise<void> {
  const trace = await relay.queue.trace(id)
  say(`\n${id}  ${subject}`)
  if (trace === undefined) return
  const width = process.stdout.isTTY ? process.stdout.columns - 2 : undefined
  for (const line of explain(trace, Date.now(), width)) say(`  ${line}`.trimEnd())
}

async function untilBounced(bounces: readonly SinkEvent[]): Promise<void> {
  while (bounces.length === 0 && performance.now() - startedAt < PATIENCE) await wait(20)
}

function showBounce([bounce]: readonly SinkEvent[]): void {
  if (bounce?.kind !== 'taken') return say('\nThe bounce did not arrive.')
  say(`\nThe bounce that ${SENDER} received:\n`)
  for (const line of bounce.content.toString('utf8').split('\r\n'))
    say(`  | ${line.replaceAll('\t', '    ')}`)
}

function say(text: string): void {
  process.stdout.write(`${text.split('\n').map(printable).join('\n')}\n`)
}
