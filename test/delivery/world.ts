// Delivery with all that is ours around it: the real queue in a temporary folder, policies from
// files, the real client and lookups; name server, mail servers and clock are the test's.

import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDelivery } from '../../src/delivery/delivery.ts'
import type { DeliveryOptions, DeliveryPart } from '../../src/delivery/delivery.ts'
import { passwordsOf } from '../../src/delivery/connect/credentials.ts'
import { createOutbound } from '../../src/delivery/outbound.ts'
import { parseAddress } from '../../src/mail/address.ts'
import type { EnvelopeRecipient } from '../../src/mail/envelope.ts'
import type { RelayEvent } from '../../src/mail/event.ts'
import type { Destination } from '../../src/mail/destination.ts'
import { loadPolicy } from '../../src/policy/load.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import type { NewDelivery } from '../../src/queue/port/intake.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import type { Entry } from '../../src/queue/port/reader.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { ManualClock } from '../peers/clock.ts'
import { startDns } from '../peers/dns.ts'
import type { Dns, Zone } from '../peers/dns.ts'
import { startMx } from '../peers/mx.ts'
import type { Mx, Script } from '../peers/mx.ts'
import { PATIENCE, until as eventually } from '../peers/patience.ts'

/** Mail servers of all tests listen on it, each at an address of its own. */
const PORT = 2599

const FILES = {
  'policies/relay.yaml': "- allow: { clients: ['127.0.0.0/8'] }\n",
  'policies/routing.yaml': "- { to: ['*'], via: mx, queue: default }\n",
  'policies/shaping.yaml': '- { default: true, connections: 20, messages-per-connection: 100 }\n',
  'queues/default.yaml': 'priority: 10\nretry: [1m, 5m, 15m]\ngive-up-after: 5d\nwarn-after: 4h\n',
}

export type Files = Readonly<Record<string, string>>

export interface Mail {
  readonly from?: string
  readonly to: readonly string[]
  readonly content?: string
  /** NOTIFY of every recipient. */
  readonly notify?: EnvelopeRecipient['notify']
  /** The lane, when it is not where routing leads. */
  readonly destination?: string
}

export interface World extends AsyncDisposable {
  readonly queue: Queue
  readonly clock: ManualClock
  readonly events: RelayEvent[]
  readonly dns: Dns
  readonly delivery: DeliveryPart
  /** A mail server, and the domains that have it as their only MX host. */
  mx(script: Script, ...domains: string[]): Promise<Mx>
  /** A host that nobody answers at. */
  deadHost(name: string): void
  send(mail: Mail): Promise<MessageId>
  /** Lets time pass. What it starts is waited for with `until`. */
  pass(milliseconds: number): void
  /** Resolves when it holds; rejects after some seconds. */
  until(holds: () => boolean | Promise<boolean>): Promise<void>
  /** Resolves when nothing is under way: time may leap then without a server being late. */
  quiet(): Promise<void>
  /** Lets seconds pass until it holds: for what looks anew every second. */
  passUntil(holds: () => boolean): Promise<void>
  /** Events of one kind. */
  told<Kind extends RelayEvent['kind']>(kind: Kind): Extract<RelayEvent, { kind: Kind }>[]
  entry(id: MessageId, n?: number): Promise<Entry>
  setFiles(files: Files, environment?: Readonly<Record<string, string>>): Promise<void>
}

export interface Given {
  readonly files?: Files
  readonly zone?: Zone
  /** Stands between delivery and what is real. */
  readonly wrap?: (options: DeliveryOptions & { readonly queue: Queue }) => Partial<DeliveryOptions>
  readonly connections?: number
}

export async function startWorld(given: Given = {}): Promise<World> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'waypost-delivery-'))
  parts.defer(() => rm(folder, { recursive: true }))
  let policy = await policyOf(folder, { ...FILES, ...given.files })
  const clock = new ManualClock()
  const events: RelayEvent[] = []
  const report = (event: RelayEvent): void => void events.push(event)
  const dns = parts.use(await startDns(given.zone))
  const queue = parts.use(
    await openSqliteQueue({
      folder: join(folder, 'data'),
      clock,
      report,
      historyAge: 7 * 86_400_000,
      historySize: 1e9,
      diskReserve: undefined,
    }),
  )
  const chance = (): number => 0
  const shared = { clock, chance, hostname: 'relay.example' }
  const refuse = (): boolean => false
  const options = {
    ...shared,
    ...createOutbound({ ...shared, server: dns.server, refuse }),
    queue,
    report,
    policy: () => policy,
    credentials: passwordsOf(() => policy),
    source: 'relay.example',
    connections: given.connections ?? 5000,
    smtpPort: PORT,
  }
  const delivery = parts.use(startDelivery({ ...options, ...given.wrap?.(options) }))
  const servers = parts.use(new AsyncDisposableStack())
  const owned = parts.move()
  return {
    queue,
    clock,
    events,
    dns,
    delivery,
    async mx(script, ...domains) {
      const mx = servers.use(await startMx(script, { port: PORT }))
      const host = `mx-${mx.address.replaceAll('.', '-')}.example`
      dns.set({ [host]: { A: [mx.address] } })
      for (const domain of domains) dns.set({ [domain]: { MX: [`10 ${host}`] } })
      return mx
    },
    deadHost: (name) => dns.set({ [name]: { A: ['127.255.255.1'] } }),
    send: (mail) => accept(queue, policy, clock, mail),
    pass: (milliseconds) => clock.pass(milliseconds),
    until,
    quiet: () => until(() => isQuiet(queue)),
    passUntil: (holds) =>
      until(() => {
        clock.pass(1000)
        return holds()
      }),
    told: (kind) => events.filter((event) => event.kind === kind) as never,
    entry: async (id, n = 0) => {
      const { entries } = await queue.find({ ids: [id] }, { limit: 100 })
      return entries.find((entry) => entry.n === n)!
    },
    setFiles: async (files, environment) => {
      policy = await policyOf(folder, files, environment)
    },
    [Symbol.asyncDispose]: async () => {
      await end(delivery, clock)
      await servers.disposeAsync()
      await owned.disposeAsync()
    },
  }
}

// A test that failed may have left something that waits for time to pass.
async function end(delivery: DeliveryPart, clock: ManualClock): Promise<void> {
  const passing = setInterval(() => clock.pass(100), 5)
  await delivery.close(1000)
  clearInterval(passing)
}

function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  return eventually(holds, () => String(holds), PATIENCE, 2)
}

async function isQuiet(queue: Queue): Promise<boolean> {
  return (await queue.counts('state')).every(({ key }) => key !== 'sending')
}

async function policyOf(
  folder: string,
  files: Files,
  environment: Readonly<Record<string, string>> = {},
): Promise<Policy> {
  await mkdir(join(folder, 'policies'), { recursive: true })
  await mkdir(join(folder, 'queues'), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return loadPolicy(folder, environment)
}

async function accept(
  queue: Queue,
  policy: Policy,
  clock: ManualClock,
  mail: Mail,
): Promise<MessageId> {
  const bytes = Buffer.from(
    mail.content ?? 'From: ana@near.example\r\nSubject: hi\r\n\r\nhello\r\n',
  )
  const id = queue.newId()
  const sender = mail.from === '' ? undefined : parseAddress(mail.from ?? 'ana@near.example')
  const notify = mail.notify === undefined ? {} : { notify: mail.notify }
  const recipients = mail.to.map((text) => ({ address: parseAddress(text)!, ...notify }))
  const lanes = new Map<Destination, number[]>()
  for (const [n, { address }] of recipients.entries()) {
    const destination = (mail.destination ??
      policy.route(address, sender)!.destination) as Destination
    lanes.set(destination, [...(lanes.get(destination) ?? []), n])
  }
  const { priority, giveUpAfter, warnAfter } = policy.queue('default')
  const at = clock.now()
  const deliveries = [...lanes].map(([destination, recipients]): NewDelivery => ({
    destination,
    queue: 'default',
    rule: 'routing.yaml:1',
    priority,
    recipients,
    due: at,
    expireAt: at + giveUpAfter,
    ...(warnAfter === undefined ? {} : { warnAt: at + warnAfter }),
  }))
  const content = await queue.store(id, bytes)
  const envelope = {
    sender,
    recipients,
    submitter: { protocol: 'ESMTP', rule: 'relay.yaml:1' },
    size: bytes.length,
    eightBit: false,
    smtpUtf8: false,
    fromDomains: [],
  }
  return queue.accept({ id, at, envelope, content, deliveries })
}
