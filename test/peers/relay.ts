// The whole relay in this process, between scripted servers on real sockets, with a clock that
// its test owns.
//
//   await using mx = await startMx({ RCPT: ['450 4.7.1 Come back later', '250 ok'] }, MX_PLACE)
//   await using relay = await startRelay({ mx: { 'far.example': [mx] } })
//   const id = await relay.send({ from: 'ana@near.example', to: 'bo@far.example' })
//   await relay.until('attempted', id)
//   relay.pass('15m')

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createTransport } from 'nodemailer'
import { parseDuration } from '../../src/base/units.ts'
import type { RelayEvent } from '../../src/mail/event.ts'
import { startRelay as startReal, type Relay as RealRelay } from '../../src/main.ts'
import { realWorld } from '../../src/start/world.ts'
import type { Entry } from '../../src/queue/port/reader.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { createOwnTime } from '../../src/queue/bullmq/link/time.ts'
import { readSettings } from '../../src/settings/settings.ts'
import { ManualClock } from './clock.ts'
import { startDns, type Dns, type Zone } from './dns.ts'
import { engineSettings } from './engine.ts'
import type { Mx } from './mx.ts'
import { PATIENCE } from './patience.ts'

/** Where MX hosts of flows listen: port 25 as in the world, where this user may open it. */
export const MX_PLACE = { port: process.getuid?.() === 0 ? 25 : 10_025 }

export interface RelayOptions {
  /** Domains and their MX hosts, most preferred first. */
  readonly mx?: Readonly<Record<string, readonly Pick<Mx, 'address'>[]>>
  /** More of the zone. */
  readonly zone?: Zone
  /** Files of the config folder by path; they win over the usual ones. */
  readonly files?: Readonly<Record<string, string>>
  readonly environment?: Readonly<Record<string, string>>
  /** The data folder of a relay before this one. */
  readonly data?: string
  readonly clock?: ManualClock
  /** Instead of one that is always 0. */
  readonly chance?: () => number
}

export interface Mail {
  readonly from?: string
  readonly to: string | readonly string[]
  readonly subject?: string
  readonly text?: string
  /** The whole content, instead of subject and text. */
  readonly raw?: string
  readonly dsn?: { readonly notify?: string; readonly return?: string; readonly id?: string }
}

export interface Relay extends AsyncDisposable {
  readonly port: number
  readonly folder: string
  readonly real: RealRelay
  readonly clock: ManualClock
  readonly dns: Dns
  /** What its log has said so far; nothing unless the environment says WAYPOST_LOG. */
  readonly log: () => string
  readonly events: readonly RelayEvent[]
  /** Rejects when the relay refuses it. */
  send(mail: Mail): Promise<MessageId>
  /** Many at once, over a few connections; the ids in the order of the mails. */
  sendAll(mails: readonly Mail[]): Promise<MessageId[]>
  /** Resolves with the first event of this kind (for this message) that no call has had yet. */
  until<Kind extends RelayEvent['kind']>(
    kind: Kind,
    id?: MessageId,
  ): Promise<Extract<RelayEvent, { kind: Kind }>>
  /** Lets time pass: `15m`. */
  pass(duration: string): void
  /** Writes files of the config folder, or removes them (`undefined`), and waits until they count. */
  setFiles(files: Readonly<Record<string, string | undefined>>): Promise<void>
  entries(id: MessageId): Promise<readonly Entry[]>
  /** Resolves when this holds; asked again after every event. */
  holds(condition: () => boolean): Promise<void>
}

const FILES = {
  'policies/relay.yaml': '- allow: { clients: [127.0.0.0/8] }\n',
  'policies/routing.yaml': "- { to: ['*'], via: mx, queue: default }\n",
  'queues/default.yaml':
    'priority: 10\nretry: [1m, 5m, 15m, 30m, 1h, 2h, 4h]\ngive-up-after: 5d\nwarn-after: 4h\n',
}

export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-flow-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  await writeFiles(folder, { ...FILES, ...options.files })
  const dns = parts.use(await startDns({ ...zoneOf(options.mx ?? {}), ...options.zone }))
  const clock = options.clock ?? new ManualClock(Date.now())
  const events = new Events()
  const data = options.data ?? join(folder, 'data')
  const settings = readSettings({
    ...engineSettings(data),
    WAYPOST_LISTEN: 'smtp://127.0.0.1:0',
    WAYPOST_ADMIN: 'none',
    WAYPOST_CONFIG: folder,
    WAYPOST_DATA: data,
    WAYPOST_HOSTNAME: 'relay.near.example',
    WAYPOST_DNS: dns.server,
    WAYPOST_MX_REFUSE: 'none',
    WAYPOST_MX_PORT: String(MX_PLACE.port),
    WAYPOST_LOG: 'off',
    ...options.environment,
  })
  const environment = options.environment ?? {}
  const watch = (event: RelayEvent): void => events.add(event)
  let log = ''
  const output = {
    write(text: string, done: () => void) {
      log += text
      done()
    },
  }
  const chance = options.chance ?? ((): number => 0)
  const time = createOwnTime(clock)
  const world = { ...realWorld, clock, time, chance, environment, terminal: false, watch, output }
  const real = parts.use(await startReal(settings, world))
  const { port } = real.status().listeners[0]!
  const owned = parts.move()
  return {
    port,
    folder,
    real,
    clock,
    dns,
    log: () => log,
    events: events.all,
    send: (mail) => send(port, mail),
    sendAll: (mails) => sendAll(port, mails),
    until: (kind, id) => events.until(kind, id),
    holds: (condition) => events.holds(condition),
    pass: (duration) => clock.pass(parseDuration(duration)!),
    async setFiles(files) {
      const before = events.all.filter(isReload).length
      await writeFiles(folder, files)
      await events.holds(() => events.all.filter(isReload).length > before)
    },
    entries: async (id) => (await real.queue.find({ ids: [id] }, { limit: 100 })).entries,
    async [Symbol.asyncDispose]() {
      // A test that failed may have left something that waits for time to pass.
      const passing = setInterval(() => clock.pass(1000), 5)
      await owned.disposeAsync()
      clearInterval(passing)
    },
  }
}

async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    if (text === undefined) await rm(join(folder, name))
    else await writeFile(join(folder, name), text)
  }
}

function isReload(event: RelayEvent): boolean {
  return event.kind === 'note' && event.text === 'The policies were reloaded'
}

function zoneOf(domains: NonNullable<RelayOptions['mx']>): Zone {
  const zone: Zone = {}
  for (const [domain, hosts] of Object.entries(domains)) {
    const names = hosts.map(({ address }) => `mx-${address.replaceAll('.', '-')}.example`)
    zone[domain] = { MX: names.map((name, index) => `${(index + 1) * 10} ${name}`) }
    for (const [index, name] of names.entries()) zone[name] = { A: [hosts[index]!.address] }
  }
  return zone
}

function send(port: number, mail: Mail): Promise<MessageId> {
  return sendOver(createTransport({ host: '127.0.0.1', port, ignoreTLS: true }), mail)
}

async function sendAll(port: number, mails: readonly Mail[]): Promise<MessageId[]> {
  const pool = { pool: true, maxConnections: 5, maxMessages: Infinity } as const
  const application = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, ...pool })
  try {
    return await Promise.all(mails.map((mail) => sendOver(application, mail)))
  } finally {
    application.close()
  }
}

type Application = Pick<ReturnType<typeof createTransport>, 'sendMail'>

async function sendOver(application: Application, mail: Mail): Promise<MessageId> {
  const { from = 'ana@near.example', to, subject = 'Hello', text = 'Hello.\n', raw, dsn } = mail
  const envelope = {
    from: from === '<>' ? '' : from,
    to: [...(typeof to === 'string' ? [to] : to)],
    ...(dsn === undefined ? {} : { dsn: { recipient: from, ...dsn } }),
  }
  const content = raw === undefined ? { from, to: envelope.to, subject, text } : { raw }
  const sent = await application.sendMail({ envelope, ...content })
  return sent.response.split(' ').at(-1) as MessageId
}

class Events {
  readonly all: RelayEvent[] = []
  readonly #had = new Set<RelayEvent>()
  #waiting: (() => void)[] = []

  add(event: RelayEvent): void {
    this.all.push(event)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async until<Kind extends RelayEvent['kind']>(
    kind: Kind,
    id?: MessageId,
  ): Promise<Extract<RelayEvent, { kind: Kind }>> {
    const deadline = Date.now() + PATIENCE
    for (;;) {
      const found = this.all.find(
        (event) =>
          event.kind === kind &&
          !this.#had.has(event) &&
          (id === undefined || ('id' in event && event.id === id)),
      )
      if (found !== undefined) {
        this.#had.add(found)
        return found as Extract<RelayEvent, { kind: Kind }>
      }
      if (Date.now() > deadline) throw new Error(`No "${kind}" of ${id}: ${this.told()}`)
      await this.#more(deadline - Date.now())
    }
  }

  /** Resolves when this holds; asked again after every event. */
  async holds(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`Not yet: ${String(condition)}: ${this.told()}`)
      await this.#more(deadline - Date.now())
    }
  }

  /** What was reported instead, for the message of a failing test. */
  told(): string {
    return this.all.map((event) => JSON.stringify(event)).join('\n')
  }

  #more(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
