// Next hops with limits that they enforce and do not announce: how soon they have everything, and what
// that cost the mail in attempts, beside Postfix as the relay in the same run. Both have their defaults but
// for what a scenario names.

import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Fates, ofPostfix, ofWaypost } from './fates.ts'
import {
  startExim,
  startOpenSmtpd,
  startPostfixHop,
  startSendmail,
  startUnwell,
  type Started,
} from './hops.ts'
import { HAS_POSTFIX, openFolder, startPostfix } from './programs.ts'
import { startRelay } from './relay.ts'
import { send } from './source.ts'

interface Traffic {
  readonly messages: number
  readonly recipient: (n: number) => readonly string[]
  /** Messages a second; absent: as fast as it goes. */
  readonly pace?: number
}

interface Scenario {
  readonly name: string
  /** @param cache see `openRoot` */
  readonly hop: (cache: string) => Promise<Started>
  readonly traffic: readonly Traffic[]
  /** Whoever has not delivered everything by then is stopped. */
  readonly seconds: number
  /** Of a site in shaping.yaml. */
  readonly shaping?: string
  /** Lines of main.cf of the Postfix that relays. */
  readonly lines?: readonly string[]
}

const one = (messages: number): Traffic[] => [
  { messages, recipient: (n) => [`good${n}@dest.test`] },
]
const list = (n: number, length: number, isGood: (k: number) => boolean): string[] =>
  Array.from({ length }, (_, k) => `${isGood(k) ? 'good' : 'unknown'}${n}-${k}@dest.test`)

/** One connection at a time, kept for so many messages. */
function single(messages: number): Pick<Scenario, 'shaping' | 'lines'> {
  return {
    shaping: `connections: 1, messages-per-connection: ${messages}`,
    lines: [
      'smtp_destination_concurrency_limit = 1',
      `smtp_connection_reuse_count_limit = ${messages}`,
    ],
  }
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'OpenSMTPD, 10 messages a connection',
    hop: (cache) => startOpenSmtpd(cache, 'smtp limit max-mails 10'),
    traffic: one(1000),
    seconds: 60,
  },
  {
    name: 'sendmail, one connection at a time, 10 messages each',
    hop: (cache) => startSendmail(cache, 'ClientConn:127.0.0.1\t1'),
    traffic: one(1000),
    seconds: 60,
    ...single(10),
  },
  {
    name: 'sendmail, one connection at a time, 100 messages each',
    hop: (cache) => startSendmail(cache, 'ClientConn:127.0.0.1\t1'),
    traffic: one(1000),
    seconds: 60,
    ...single(100),
  },
  {
    name: 'Exim, one connection at a time, 10 messages each',
    hop: (cache) => startExim(cache, 'smtp_accept_max_per_host = 1'),
    traffic: one(1000),
    seconds: 60,
    ...single(10),
  },
  {
    name: 'Exim, one connection at a time, that ends after 20 messages',
    hop: (cache) =>
      startExim(cache, 'smtp_accept_max_per_host = 1', 'smtp_accept_max_per_connection = 20'),
    traffic: one(1000),
    seconds: 60,
    ...single(100),
  },
  {
    name: 'Exim, connections that end after 20 messages',
    hop: (cache) => startExim(cache, 'smtp_accept_max_per_connection = 20'),
    traffic: one(1000),
    seconds: 60,
  },
  {
    name: 'Postfix, 30 lists of 90 with a third unknown, then a good message each second',
    hop: () => startPostfixHop(),
    traffic: [
      { messages: 30, recipient: (n) => list(n, 90, (k) => k % 3 !== 0) },
      { messages: 60, recipient: (n) => [`good${n}@dest.test`], pace: 1 },
    ],
    seconds: 120,
  },
  {
    name: 'Exim, 60 recipients a message and none of more, 3 messages to 350',
    hop: (cache) => startExim(cache, 'recipients_max = 60', 'recipients_max_reject = true'),
    traffic: [{ messages: 3, recipient: (n) => list(n, 350, () => true) }],
    seconds: 30,
  },
  {
    name: 'Postfix, 30 messages a minute',
    hop: () => startPostfixHop('smtpd_client_message_rate_limit = 30'),
    traffic: one(100),
    seconds: 240,
  },
  {
    name: 'a hop that says 530 at MAIL for a minute',
    hop: () => startUnwell('530 5.7.0 Authentication required', 60_000),
    traffic: one(1000),
    seconds: 120,
  },
]

/** @param chosen names with this in them, or all */
export async function measureLimits(chosen = ''): Promise<void> {
  await using cache = await openFolder()
  for (const scenario of SCENARIOS.filter(({ name }) => name.includes(chosen))) {
    console.log(`  ${scenario.name}`)
    const ours = await throughWaypost(scenario, cache.path)
    const theirs = HAS_POSTFIX ? await throughPostfix(scenario, cache.path) : 'not installed'
    print('waypost', ours)
    print('postfix', theirs)
    if (typeof ours === 'string' || typeof theirs === 'string') continue
    const ratio =
      theirs.rate === 0 ? 'none, nothing was delivered' : (ours.rate / theirs.rate).toFixed(1)
    console.log(`    ratio    ${ratio}`)
  }
}

interface Figures {
  readonly wanted: number
  readonly delivered: number
  readonly seconds: number
  /** Delivered each second. */
  readonly rate: number
  /** Seconds from acceptance to delivery, at most. */
  readonly longest: number
  /** Of those that came at a pace: how many were delivered, and the longest wait. */
  readonly paced: number
  readonly longestOfPaced: number | undefined
  readonly fates: Fates
  /** Of `performance.now()`. */
  readonly end: number
  /** Seconds from when an unwell hop was well. */
  readonly sinceWell?: number | undefined
  /** Of good recipients. */
  readonly bounced: number
}

// Each has a fresh hop: what it remembers of the one is not held against the other.
async function throughWaypost(scenario: Scenario, cache: string): Promise<Figures | string> {
  await using folder = await openFolder()
  await using hop = await started(scenario, cache)
  if ('why' in hop) return hop.why
  const log = join(folder.path, 'log')
  const shaping = scenario.shaping ?? 'connections: 20'
  await using relay = await startRelay({
    hop: hop.port,
    log,
    environment: { WAYPOST_LOG: 'json' },
    policies: { 'policies/shaping.yaml': `- { default: true, ${shaping} }\n` },
  })
  return withWell(await measure(scenario, relay.port, log, ofWaypost), hop)
}

async function throughPostfix(scenario: Scenario, cache: string): Promise<Figures | string> {
  await using hop = await started(scenario, cache)
  if ('why' in hop) return hop.why
  await using relay = await startPostfix(hop.port, false, scenario.lines)
  return withWell(await measure(scenario, relay.port, relay.log, ofPostfix), hop)
}

function withWell(figures: Figures, hop: object): Figures {
  const sinceWell = 'wellAt' in hop ? (figures.end - Number(hop.wellAt)) / 1000 : undefined
  return { ...figures, sinceWell }
}

type Hop = ({ readonly port: number } | { readonly why: string }) & AsyncDisposable

async function started({ hop }: Scenario, cache: string): Promise<Hop> {
  const server = await hop(cache)
  return typeof server === 'string' ? { why: server, async [Symbol.asyncDispose]() {} } : server
}

interface Wanted {
  readonly isPaced: boolean
  acceptedAt: number
}

async function measure(
  { traffic, seconds }: Scenario,
  port: number,
  log: string,
  parse: ConstructorParameters<typeof Fates>[1],
): Promise<Figures> {
  using fates = new Fates(log, parse)
  const wanted = wantedOf(traffic)
  const start = performance.now()
  const sending = submit(port, traffic, wanted)
  sending.catch(() => {}) // it is awaited later
  const isMissing = (): boolean =>
    wanted.keys().some((to) => !fates.delivered.has(to) && !fates.bounced.has(to))
  while (isMissing() && performance.now() - start < seconds * 1000) {
    await wait(20)
    fates.read()
  }
  const end = performance.now()
  await sending
  return figuresOf(fates, wanted, start, end)
}

function wantedOf(traffic: readonly Traffic[]): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  for (const { messages, recipient, pace } of traffic)
    for (let n = 0; n < messages; n++)
      for (const to of recipient(n))
        if (to.startsWith('good')) wanted.set(to, { isPaced: pace !== undefined, acceptedAt: 0 })
  return wanted
}

async function submit(
  port: number,
  traffic: readonly Traffic[],
  wanted: ReadonlyMap<string, Wanted>,
): Promise<void> {
  for (const { messages, recipient, pace } of traffic) {
    const sessions = pace === undefined ? 10 : 1
    const plan = { messages, sessions, bytes: 4096, recipient }
    const accepted = await send(port, pace === undefined ? plan : { ...plan, pace })
    for (const [n, at] of accepted.entries())
      for (const to of recipient(n)) {
        const one = wanted.get(to)
        if (one !== undefined) one.acceptedAt = at
      }
  }
}

function figuresOf(
  fates: Fates,
  wanted: ReadonlyMap<string, Wanted>,
  start: number,
  end: number,
): Figures {
  // Who has not got it has waited until now.
  const waited = ([to, { acceptedAt }]: readonly [string, Wanted]): number =>
    ((fates.delivered.get(to) ?? end) - acceptedAt) / 1000
  const paced = [...wanted].filter(([, { isPaced }]) => isPaced)
  const delivered = [...wanted.keys()].filter((to) => fates.delivered.has(to))
  const seconds = (end - start) / 1000
  return {
    wanted: wanted.size,
    delivered: delivered.length,
    seconds,
    rate: delivered.length / seconds,
    longest: Math.max(...[...wanted].map(waited)),
    paced: paced.map(([to]) => to).filter((to) => fates.delivered.has(to)).length,
    longestOfPaced: paced.length === 0 ? undefined : Math.max(...paced.map(waited)),
    bounced: [...wanted.keys()].filter((to) => fates.bounced.has(to)).length,
    fates,
    end,
  }
}

function print(name: string, figures: Figures | string): void {
  if (typeof figures === 'string') return console.log(`    ${name}  skipped: ${figures}`)
  const { wanted, delivered, seconds, longest, paced, longestOfPaced, bounced, fates } = figures
  const { sinceWell = 0 } = figures
  const stopped = delivered + bounced === wanted ? '' : ', stopped'
  const well = sinceWell > 0 ? `, ${sinceWell.toFixed(1)} s after it was well` : ''
  const each =
    longestOfPaced === undefined ? '' : `; those a second: ${paced}, ${longestOfPaced.toFixed(1)} s`
  console.log(
    `    ${name}  ${delivered} of ${wanted} in ${seconds.toFixed(2)} s${stopped}${well}, longest wait ${longest.toFixed(2)} s${each}`,
  )
  console.log(
    `             deferred ${fates.deferred} times, attempts burnt ${fates.burnt}, bounced ${bounced}, suspended ${fates.suspended} times`,
  )
  const reasons = [...fates.reasons].toSorted(([, a], [, b]) => b - a).slice(0, 4)
  for (const [reason, times] of reasons)
    console.log(`             ${times} × ${reason.slice(0, 160)}`)
}
