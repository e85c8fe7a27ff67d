// Builds the parts, and is the picture of the whole. Parts go down in the opposite order of their
// start: no new mail, attempts finish, the queue closes, the log says its last line.

import { randomUUID } from 'node:crypto'

import type { StartWish } from './admin/context.ts'
import { startControl } from './admin/control/control.ts'
import { startAdmin } from './admin/control/http.ts'
import { effectOf } from './admin/story/holds.ts'
import { formatListener, picture, type Status } from './admin/cli/picture.ts'
import { systemClock } from './base/clock.ts'
import { version } from './base/package.ts'
import { stopSignal } from './base/stop.ts'
import { shareRefusals } from './events/shared-refusals.ts'
import { passwordsOf } from './delivery/connect/credentials.ts'
import { createOutbound } from './delivery/outbound.ts'
import { startDelivery, type DeliveryPart } from './delivery/delivery.ts'
import { openEngine, type EngineWorld } from './engine.ts'
import { noteTo, type Note } from './events/note.ts'
import type { Listener } from './listen/listener.ts'
import type { Report } from './mail/event.ts'
import { followConfig } from './policy/config.ts'
import type { Policy, PolicySource } from './policy/policy.ts'
import { watchPolicy } from './policy/watch.ts'
import type { About } from './queue/port/control.ts'
import type { Queue } from './queue/port/queue.ts'
import type { OperatorAct } from './queue/port/types.ts'
import { configPlaces, type Settings } from './settings/settings.ts'
import { ADVICE, advised } from './start/advice.ts'
import { openCertificate, openListeners } from './start/listeners.ts'
import { openReport } from './start/report.ts'
import type { Shared } from './start/shared.ts'
import { realWorld, type World } from './start/world.ts'

export const VERSION = version()

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
  const { roles } = settings.process
  const delivery = roles.includes('deliver')
    ? parts.use(await openDelivery(settings, world, shared))
    : undefined
  // Commands reach a queue in Redis by themselves.
  if (settings.queue.redis === undefined)
    parts.use(await startControl({ folder: settings.queue.data, queue, refused: told.refused }))
  else parts.use(shareRefusals(told.refused, queue.state, randomUUID(), world.clock))
  const { admin: url } = settings.http
  if (url !== undefined && roles.includes('admin')) {
    const ready = (): Promise<string | undefined> => whyNotReady(running, queue)
    const admin = startAdmin({ ...url, ready, metrics: told.metrics })
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

/** Runs the relay until a signal, drains and ends it; a second signal ends the process at once. */
export async function runRelay(settings: Settings, how: StartWish = {}): Promise<number> {
  const stop = stopSignal()
  await using relay = await startRelay(settings, { ...realWorld, ...how })
  const holds = await relay.queue.holds()
  if (realWorld.terminal && settings.process.log !== 'json') {
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
  await relay.drain(settings.process.drain)
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

async function openDelivery(
  settings: Settings,
  { chance }: World,
  shared: Shared,
): Promise<DeliveryPart> {
  const { hostname } = settings.process
  const { source, dns: server, mxRefuse: refuse, connections, mxPort: smtpPort } = settings.delivery
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

function statusOf(
  settings: Settings,
  running: Running,
  policies: Pick<PolicySource, 'folder'>,
): Status {
  const { hostname, roles } = settings.process
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
  const { name, hostname, roles } = settings.process
  const { source } = settings.delivery
  const listeners = opened(running).map(formatListener)
  const policyProblem = policies.problem()
  const about = { name, hostname, version: VERSION, roles, sources: [source], listeners }
  return policyProblem === undefined ? about : { ...about, policyProblem }
}

// What Redis is not as it should be says itself what to do.
function openQueue(settings: Settings, world: EngineWorld): Promise<Queue> {
  const opening = openEngine(settings, world)
  return settings.queue.redis === undefined ? advised(opening, ADVICE.data) : opening
}
