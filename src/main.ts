// Builds the parts, and is the picture of the whole. Parts go down in the opposite order of their
// start: no new mail, attempts finish, the queue closes, the log says its last line.

import type { StartWish } from './admin/context.ts'
import { startControl } from './admin/control/control.ts'
import { startAdmin } from './admin/control/http.ts'
import { effectOf } from './admin/story/holds.ts'
import { formatListener, picture, type Status } from './admin/cli/picture.ts'
import { systemClock, type Clock } from './base/clock.ts'
import { version } from './base/package.ts'
import { stopSignal } from './base/stop.ts'
import { passwordsOf } from './delivery/connect/credentials.ts'
import { createOutbound } from './delivery/outbound.ts'
import { startDelivery, type DeliveryPart } from './delivery/delivery.ts'
import { openEngine, type EngineWorld } from './engine.ts'
import { createLog, type LogOutput } from './events/log.ts'
import { createMetrics, type Metrics } from './events/metrics.ts'
import { noteTo, type Note } from './events/note.ts'
import { RefusedMail } from './events/refused-mail.ts'
import { createReport } from './events/report.ts'
import { watchCertificate, type CertificateSource } from './listen/certificate.ts'
import { Door } from './listen/door/door.ts'
import { LoginThrottle } from './listen/door/login-throttle.ts'
import { startListener, type Listener } from './listen/listener.ts'
import { Turns } from './listen/door/turns.ts'
import { parseAddress, type Address } from './mail/address.ts'
import type { Report } from './mail/event.ts'
import { verifyPassword } from './policy/password.ts'
import { followConfig } from './policy/config.ts'
import type { Policy, PolicySource } from './policy/policy.ts'
import { watchPolicy } from './policy/watch.ts'
import type { LeaseTime } from './queue/bullmq/link/time.ts'
import type { About } from './queue/port/control.ts'
import type { Queue } from './queue/port/queue.ts'
import type { OperatorAct } from './queue/port/types.ts'
import { configPlaces, type Environment, type Settings } from './settings.ts'

export const VERSION = version()

/** What is not ours to decide: time, chance, the environment, where the log goes. */
export interface World {
  readonly clock: Clock
  /** From 0 up to 1, like `Math.random`. */
  readonly chance: () => number
  readonly environment: Environment
  readonly output: LogOutput
  /** A person looks at the output. */
  readonly terminal: boolean
  /** Whoever wants the events themselves. */
  readonly watch?: Report
  /** What leases in Redis are measured by; the server's clock by default. */
  readonly time?: LeaseTime
  /** All mail is held, by whom and why, before any of it can leave. */
  readonly held?: OperatorAct
}

export const realWorld: World = {
  clock: systemClock,
  chance: Math.random,
  environment: process.env,
  output: process.stdout,
  terminal: process.stdout.isTTY,
}

/** A running relay; disposing of it ends it at once, without losing anything. */
export interface Relay extends AsyncDisposable {
  readonly queue: Queue
  readonly policy: () => Policy
  readonly status: () => Status
  readonly report: Report
  /** No new mail; attempts under way may finish for so long, in milliseconds. */
  drain(milliseconds: number): Promise<void>
}

export async function startRelay(settings: Settings, world: World = realWorld): Promise<Relay> {
  await using parts = new AsyncDisposableStack()
  const told = parts.use(openReport(settings, world))
  const policies = parts.use(await openPolicies(settings, world, told.note))
  const policy = (): Policy => policies.current()
  const certificate = await openCertificate(settings, world.clock, told.note)
  if (certificate !== undefined) parts.use(certificate)
  const running: Running = { startedAt: world.clock.now(), listeners: [], phase: 'starting' }
  const status = (): Status => statusOf(settings, running, policies)
  const engine = {
    ...world,
    report: told.report,
    about: () => aboutOf(settings, running, policies),
  }
  const queue = parts.use(await openQueue(settings, engine))
  if (world.held !== undefined) await holdAll(queue, world.held)
  told.watch({ queue, policies, certificate })
  const shared = { queue, policy, report: told.report, clock: world.clock }
  const { roles } = settings
  const delivery = roles.includes('deliver')
    ? parts.use(await openDelivery(settings, world, shared))
    : undefined
  // Commands reach a queue in Redis by themselves.
  if (settings.redis === undefined)
    parts.use(await startControl({ folder: settings.data, queue, refused: told.refused }))
  if (settings.admin !== undefined && roles.includes('admin')) {
    const ready = (): Promise<string | undefined> => whyNotReady(running, queue)
    const admin = startAdmin({ ...settings.admin, ready, metrics: told.metrics })
    running.admin = parts.use(await advised(admin, ADVICE.admin)).url
  }
  if (roles.includes('listen'))
    running.listeners = parts.use(await openListeners(settings, shared, certificate)).all
  running.phase = 'ready'
  await queue.introduce?.()

  const owned = parts.move()
  return {
    queue,
    policy,
    status,
    report: told.report,
    async drain(milliseconds) {
      running.phase = 'stopping'
      // At the same time: what a slow client still hands in waits in the queue for the next start.
      const ends = running.listeners.map((listener) => listener.close(milliseconds))
      await Promise.all([...ends, delivery?.close(milliseconds)])
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

// Before anything can be claimed. Who placed one that stands, and why, is not written over.
async function holdAll(queue: Queue, by: OperatorAct): Promise<void> {
  const holds = await queue.holds()
  if (!holds.some(({ scope }) => scope.kind === 'all')) await queue.hold({ kind: 'all' }, by)
}

/** What changes while the relay runs. */
interface Running {
  readonly startedAt: number
  listeners: readonly Listener[]
  admin?: string
  phase: 'starting' | 'ready' | 'stopping'
}

async function whyNotReady({ phase }: Running, queue: Queue): Promise<string | undefined> {
  return phase === 'ready' ? (await queue.engine()).trouble : `The relay is ${phase}`
}

/** What to do when a part cannot start. */
const ADVICE = {
  data: 'WAYPOST_DATA names a folder that is this relay’s alone',
  certificate: 'WAYPOST_TLS_CERT and WAYPOST_TLS_KEY name a PEM certificate chain and its key',
  admin: 'set WAYPOST_ADMIN to another address, or to none',
  listen: 'set WAYPOST_LISTEN to another address',
} as const

async function advised<T>(part: Promise<T>, advice: string): Promise<T> {
  try {
    return await part
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${advice}`, { cause: error })
  }
}

/** Runs the relay until a signal, drains and ends it; a second signal ends the process at once. */
export async function runRelay(settings: Settings, how: StartWish = {}): Promise<number> {
  const stop = stopSignal()
  await using relay = await startRelay(settings, { ...realWorld, ...how })
  const holds = await relay.queue.holds()
  if (realWorld.terminal && settings.log !== 'json') {
    const engine = await relay.queue.engine()
    process.stdout.write(`${picture(relay.status(), { ...engine, holds }, relay.policy())}\n`)
  } else {
    const note = noteTo(relay.report, systemClock)
    noteDoubts(relay.policy(), note)
    const { durability, isRelaxed } = await relay.queue.engine()
    note(isRelaxed ? 'warn' : 'info', `Durability: ${durability}`)
    note('info', `Waypost ${VERSION} ${doing(relay.status())}`)
    for (const hold of holds) note('warn', effectOf(hold))
  }
  await stop
  noteTo(relay.report, systemClock)('info', 'Stopping: no new mail, attempts under way may finish')
  await relay.drain(settings.drain)
  return 0
}

function doing({ listeners, admin, config, isShipped }: Status): string {
  const mail =
    listeners.length === 0
      ? 'takes no mail in: WAYPOST_ROLES leaves out listen'
      : `accepts mail on ${listeners.map(formatListener).join(' ')}`
  const policies = `the policies are those of "${config}"${isShipped ? ', as shipped' : ''}`
  const http = admin === undefined ? [] : [`/readyz and /metrics are at ${admin}`]
  return [mail, policies, ...http].join('; ')
}

// A terminal shows them in the picture.
function noteDoubts({ files, warnings }: Policy, note: Note): void {
  const missing = files.filter((file) => file.missing).map(({ name }) => name)
  if (missing.length > 0) note('info', `Missing files count as empty: ${missing.join(', ')}`)
  for (const { at, text } of warnings) note('warn', `${at}: ${text}`)
}

interface Watched {
  readonly queue: Queue
  readonly policies: PolicySource
  readonly certificate: CertificateSource | undefined
}

interface Told extends AsyncDisposable {
  readonly report: Report
  readonly note: Note
  readonly metrics: Metrics
  readonly refused: RefusedMail
  /** From here on a scrape counts what is in the queue, and looks at what this relay goes by. */
  watch(parts: Watched): void
}

function openReport(settings: Settings, { clock, output, terminal, watch }: World): Told {
  const format = settings.log === 'auto' ? (terminal ? 'text' : 'json') : settings.log
  const log = createLog({ output, format })
  let watched: Watched | undefined
  const metrics = createMetrics({
    version: VERSION,
    queue: () => watched?.queue,
    queues: () => watched?.policies.current().queues ?? [],
    policiesSound: () => watched?.policies.problem() === undefined,
    certificateEnd: () => watched?.certificate?.end(),
    now: () => clock.now(),
    droppedLines: () => log.dropped,
  })
  const refused = new RefusedMail()
  const report = createReport([
    log,
    metrics,
    refused,
    ...(watch === undefined ? [] : [{ report: watch }]),
  ])
  const note = noteTo(report, clock)
  for (const warning of settings.warnings) note('warn', warning)
  return {
    report,
    note,
    metrics,
    refused,
    watch: (parts) => void (watched = parts),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}

async function openPolicies(
  settings: Settings,
  { environment }: World,
  note: Note,
): Promise<PolicySource> {
  const tell = (error: unknown): void => note('error', 'The policies were not reloaded', error)
  const policies = await watchPolicy(followConfig(configPlaces(settings)), environment, tell)
  let folder = policies.folder()
  policies.onChange(() => {
    const moved = folder !== (folder = policies.folder())
    note('info', moved ? `The policies are those of "${folder}" now` : 'The policies were reloaded')
  })
  return policies
}

interface Shared {
  readonly queue: Queue
  readonly policy: () => Policy
  readonly report: Report
  readonly clock: Clock
}

async function openDelivery(
  settings: Settings,
  { chance }: World,
  shared: Shared,
): Promise<DeliveryPart> {
  const { hostname, source = hostname, dns: server, mxRefuse: refuse } = settings
  const { connections, mxPort: smtpPort } = settings
  const { clock } = shared
  return startDelivery({
    ...shared,
    ...createOutbound({ hostname, server, refuse, clock, chance }),
    credentials: passwordsOf(shared.policy),
    chance,
    hostname,
    source,
    connections,
    smtpPort,
  })
}

async function openCertificate(
  { tlsCert: cert, tlsKey: key }: Settings,
  clock: Clock,
  note: Note,
): Promise<CertificateSource | undefined> {
  if (cert === undefined || key === undefined) return undefined
  const tell = (error: unknown): void => note('error', 'The certificate was not reloaded', error)
  return advised(watchCertificate({ cert, key }, clock, tell), ADVICE.certificate)
}

interface Listeners extends AsyncDisposable {
  readonly all: readonly Listener[]
}

async function openListeners(
  { listen, hostname, postmaster = defaultPostmaster(hostname) }: Settings,
  shared: Shared,
  certificate: CertificateSource | undefined,
): Promise<Listeners> {
  await using opened = new AsyncDisposableStack()
  const throttle = new LoginThrottle(shared.clock, verifyPassword)
  const door = new Door(() => shared.policy().listen, shared.clock)
  const turns = new Turns()
  const tls = certificate === undefined ? {} : { tls: () => certificate.current() }
  const options = { ...shared, ...tls, hostname, postmaster, throttle, door, turns, verifyPassword }
  const all: Listener[] = []
  for (const url of listen) {
    const listener = advised(startListener({ ...options, ...url }), ADVICE.listen)
    all.push(opened.use(await listener))
  }
  certificate?.onChange(({ key, cert }) => {
    for (const listener of all) listener.updateTls(key, cert)
  })
  const owned = opened.move()
  return { all, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function defaultPostmaster(hostname: string): Address {
  const address = parseAddress(`postmaster@${hostname}`)
  if (address === undefined)
    throw new Error(`Cannot use the host name "${hostname}" as a mail domain: set WAYPOST_HOSTNAME`)
  return address
}

function statusOf(
  settings: Settings,
  running: Running,
  policies: Pick<PolicySource, 'folder'>,
): Status {
  const { hostname, roles } = settings
  const { startedAt, admin } = running
  const config = policies.folder()
  const isShipped = config === configPlaces(settings).shipped
  const listeners = opened(running)
  return { version: VERSION, hostname, roles, startedAt, listeners, admin, config, isShipped }
}

function opened({ listeners }: Running): Status['listeners'] {
  return listeners.map(({ scheme, address }) => ({ scheme, ...address }))
}

function aboutOf(
  settings: Settings,
  running: Running,
  policies: Pick<PolicySource, 'problem'>,
): About {
  const { name, hostname, roles, source = hostname } = settings
  const listeners = opened(running).map(formatListener)
  const policyProblem = policies.problem()
  const about = { name, hostname, version: VERSION, roles, sources: [source], listeners }
  return policyProblem === undefined ? about : { ...about, policyProblem }
}

// What Redis is not as it should be says itself what to do.
function openQueue(settings: Settings, world: EngineWorld): Promise<Queue> {
  const opening = openEngine(settings, world)
  return settings.redis === undefined ? advised(opening, ADVICE.data) : opening
}
