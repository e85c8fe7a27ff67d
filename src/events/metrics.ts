// Prometheus metrics out of events. No label holds a domain, an address or an id, so their number
// is bounded; label children are made once, because finding one costs more than counting.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { RegistryContentType } from 'prom-client'
import type { RelayEvent, Report } from '../mail/event.ts'
import { CAUSES } from '../mail/outcome.ts'
import { classOf } from '../mail/reply.ts'
import { gaugeQueue, NO_LABELS } from './gauges.ts'
import type { Watched } from './gauges.ts'
import { reasonOf } from './refusal.ts'

export interface MetricsOptions {
  /** The queue, once there is one. */
  readonly queue?: () => Watched | undefined
  readonly droppedLines?: () => number
  readonly version?: string
  /** Names of the queues that operators have. */
  readonly queues?: () => readonly string[]
  /** The policy files are in force as they are; not when they have a mistake. */
  readonly policiesSound?: () => boolean
  /** When the certificate of the listeners ends, in milliseconds since 1970. */
  readonly certificateEnd?: () => number | undefined
  readonly now?: () => number
}

export interface Metrics {
  readonly report: Report
  /** A scrape in the format that the client prefers, by its header field Accept. */
  scrape(accept?: string): Promise<Scrape>
}

export interface Scrape {
  readonly contentType: string
  readonly text: string
}

type Attempted = Extract<RelayEvent, { kind: 'attempted' }>
type Ended = Extract<RelayEvent, { kind: 'ended' }>

const DELIVERY_SECONDS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400,
]
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const report = countMessages(registry)
  const reportAttempt = countAttempts(registry)
  const reportEnd = countEnds(registry)
  const reportRest = countRest(registry)
  const { queue = () => undefined, queues = () => [], now = Date.now } = options
  gaugeQueue({ registry, watched: queue, queues, now })
  gaugeSelf(registry, options)
  return {
    scrape: scraperOf(registry),
    report(event) {
      if (event.kind === 'attempted') reportAttempt(event)
      else if (event.kind === 'ended') reportEnd(event)
      else if (event.kind === 'accepted') report(event)
      else reportRest(event)
    },
  }
}

// Gauges that are named as counters are: checkers refuse the whole page for them.
const MISNAMED = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
]

/** The format is the registry's, so one scrape of another format waits for those before it. */
function scraperOf(registry: Registry): Metrics['scrape'] {
  let before: Promise<unknown> = Promise.resolve()
  const scrape = async (open: boolean): Promise<Scrape> => {
    // Its types say that a registry has one format for ever.
    const either = registry as Registry<RegistryContentType>
    either.setContentType(
      open ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE,
    )
    return { contentType: either.contentType, text: await either.metrics() }
  }
  return (accept = '') => {
    const scraped = before.then(() => scrape(/\bapplication\/openmetrics-text\b/.test(accept)))
    before = scraped.catch(() => {})
    return scraped
  }
}

function countMessages(
  registry: Registry,
): (event: Extract<RelayEvent, { kind: 'accepted' }>) => void {
  const registers = [registry]
  const messages = new Counter({
    name: 'waypost_messages_accepted_total',
    help: 'Messages that were accepted and are on stable storage',
    registers,
  })
  const recipients = new Counter({
    name: 'waypost_recipients_accepted_total',
    help: 'Recipients of accepted messages',
    registers,
  })
  const bytes = new Counter({
    name: 'waypost_bytes_accepted_total',
    help: 'Bytes of accepted messages',
    registers,
  })
  return (event) => {
    messages.inc()
    recipients.inc(event.to.length)
    bytes.inc(event.bytes)
  }
}

function countAttempts(registry: Registry): (event: Attempted) => void {
  const registers = [registry]
  const attempts = new Counter({
    name: 'waypost_attempts_total',
    help: 'Attempts of recipients by outcome, class of the reply, stage and who decided',
    labelNames: ['outcome', 'class', 'stage', 'by'],
    registers,
  })
  const delivered = new Counter({
    name: 'waypost_delivered_tls_total',
    help: 'Recipients delivered, by TLS version',
    labelNames: ['tls'],
    registers,
  })
  const attemptOf = children((outcome: string, kind: string, stage: string, by: string) =>
    attempts.labels(outcome, kind, stage, by),
  )
  const deliveredOf = children((tls: string) => delivered.labels(tls))
  return ({ outcome, attempt }) => {
    attemptOf(outcome.kind, classOf(outcome.reply), outcome.stage, outcome.by).inc()
    if (outcome.kind === 'delivered') deliveredOf(attempt.tls?.version ?? 'none').inc()
  }
}

function countEnds(registry: Registry): (event: Ended) => void {
  const registers = [registry]
  const ends = new Counter({
    name: 'waypost_recipients_ended_total',
    help: 'Recipients that have ended, by end and what the sender was told',
    labelNames: ['end', 'notice'],
    registers,
  })
  const latency = new Histogram({
    name: 'waypost_delivery_seconds',
    help: 'Time from acceptance to delivery of a recipient',
    buckets: DELIVERY_SECONDS,
    registers,
  })
  for (const [end, notice] of COMMON) ends.inc({ end, notice }, 0)
  const endOf = children((end: string, notice: string) => ends.labels(end, notice))
  return ({ end, notice, at, acceptedAt }) => {
    endOf(end, notice ?? 'none').inc()
    if (end === 'delivered') latency.observe(Math.max(at - acceptedAt, 0) / 1000)
  }
}

// Of those that alarms ask for.
const COMMON = [
  ['delivered', 'none'],
  ['bounced', 'sent'],
  ['expired', 'sent'],
] as const

type Rest = Exclude<RelayEvent, { kind: 'accepted' | 'attempted' | 'ended' }>

function countRest(registry: Registry): (event: Rest) => void {
  const registers = [registry]
  const count = (name: string, help: string, ...labelNames: string[]): Counter =>
    new Counter({ name: `waypost_${name}_total`, help, labelNames, registers })
  const connected = countConnections(registry)
  const committed = timeCommits(registry)
  const warned = count('delay_warnings', 'Recipients whose sender was warned of a delay')
  const interrupted = count(
    'interrupted',
    'Attempts of which nobody knows the end: possible doubles',
  )
  const steered = count('operator_acts', 'Acts of operators on the queue', 'act')
  const suspended = count('suspensions', 'Times that a site or lane was suspended', 'cause')
  const refused = count(
    'refusals',
    'Commands of clients that were refused, by command and why',
    'command',
    'reason',
  )
  const logins = count('logins', 'Attempts to log in', 'result')
  const notes = count('notes', 'What the relay had to say of itself', 'level')
  // From zero on, or the first of a kind would be no increase.
  for (const cause of CAUSES) suspended.inc({ cause }, 0)
  for (const act of ACTS) steered.inc({ act }, 0)
  for (const result of ['ok', 'failed']) logins.inc({ result }, 0)
  for (const level of ['info', 'warn', 'error']) notes.inc({ level }, 0)
  return (event) => {
    switch (event.kind) {
      case 'connection':
        return connected(event)
      case 'committed':
        return committed(event)
      case 'warned':
        return warned.inc()
      case 'interrupted':
        return interrupted.inc()
      case 'steered':
        return steered.inc({ act: event.act })
      case 'suspended':
        return suspended.inc({ cause: event.cause })
      case 'refused':
        return refused.inc(
          { command: knownCommand(event.command), reason: reasonOf(event) },
          event.times ?? 1,
        )
      case 'login':
        return logins.inc({ result: event.ok ? 'ok' : 'failed' })
      case 'note':
        return notes.inc({ level: event.level })
    }
  }
}

const ACTS = ['hold', 'release', 'retry', 'refuse', 'cancel']
const COMMANDS = ['CONNECT', 'EHLO', 'HELO', 'STARTTLS', 'AUTH', 'MAIL', 'RCPT', 'DATA', 'BDAT']

// The word is a client's: it must not make labels.
function knownCommand(command: string): string {
  const word = command.split(' ', 1)[0]!.toUpperCase()
  return COMMANDS.includes(word) ? word : 'other'
}

function countConnections(
  registry: Registry,
): (event: Extract<RelayEvent, { kind: 'connection' }>) => void {
  const registers = [registry]
  const open = new Gauge({
    name: 'waypost_connections_open',
    help: 'SMTP connections open now',
    labelNames: ['direction'],
    registers,
  })
  const total = new Counter({
    name: 'waypost_connections_total',
    help: 'SMTP connections that were opened',
    labelNames: ['direction'],
    registers,
  })
  const opens = { in: open.labels('in'), out: open.labels('out') }
  const totals = { in: total.labels('in'), out: total.labels('out') }
  for (const gauge of [opens.in, opens.out]) gauge.set(0)
  return ({ direction, change }) => {
    if (change === 'closed') return opens[direction].dec()
    opens[direction].inc()
    totals[direction].inc()
  }
}

function timeCommits(
  registry: Registry,
): (event: Extract<RelayEvent, { kind: 'committed' }>) => void {
  const registers = [registry]
  const seconds = new Histogram({
    name: 'waypost_commit_seconds',
    help: 'Time of a commit of the queue, with its sync to storage',
    buckets: COMMIT_SECONDS,
    registers,
  })
  const operations = new Counter({
    name: 'waypost_commit_operations_total',
    help: 'Operations that commits made durable; by waypost_commit_seconds_count: how many share one',
    registers,
  })
  return (event) => {
    seconds.observe(event.milliseconds / 1000)
    operations.inc(event.operations)
  }
}

function gaugeSelf(registry: Registry, options: MetricsOptions): void {
  const { droppedLines = () => 0, policiesSound = () => true, certificateEnd, version } = options
  const registers: Registry[] = []
  const dropped = new Counter({
    name: 'waypost_log_lines_dropped_total',
    help: 'Log lines dropped because the reader of the log was too slow',
    registers,
    collect() {
      this.reset()
      this.inc(droppedLines())
    },
  })
  const sound = new Gauge({
    name: 'waypost_policies_sound',
    help: 'Whether the policy files are in force: 1, or 0 while they have a mistake and those before them are',
    registers,
    collect() {
      this.set(policiesSound() ? 1 : 0)
    },
  })
  const certificate = new Gauge({
    name: 'waypost_certificate_end_timestamp_seconds',
    help: 'When the certificate of the listeners ends, in seconds since 1970; absent without one',
    labelNames: NO_LABELS,
    registers,
    collect() {
      this.reset()
      const end = certificateEnd?.()
      if (end !== undefined) this.set({}, end / 1000)
    },
  })
  for (const each of [dropped, sound, certificate]) registry.registerMetric(each)
  const info = {
    name: 'waypost_info',
    help: 'The version',
    labelNames: ['version'],
    registers: [registry],
  }
  new Gauge(info).set({ version: version ?? 'unknown' }, 1)
}

/** Remembers what was made for these labels; the key is joined with what no label contains. */
function children<Labels extends string[], Child>(
  make: (...labels: Labels) => Child,
): (...labels: Labels) => Child {
  const made = new Map<string, Child>()
  return (...labels) => {
    const key = labels.join('\n')
    let child = made.get(key)
    if (child === undefined) made.set(key, (child = make(...labels)))
    return child
  }
}
