// From a site to a connection: its hosts in order of preference, each host's addresses in turn, until
// one answers. Trouble only when all of them failed; what happened on the way is noted.

import type { Clock } from '../../base/clock.ts'
import type { Outcome } from '../../mail/outcome.ts'
import type { Hop, Login } from '../../mail/path.ts'
import { formatReply } from '../../mail/reply.ts'
import type { LastAttempt } from '../../queue/port/outflow.ts'
import type { AskCredentials } from '../connect/credentials.ts'
import { judge, viewOf } from '../decide/judge.ts'
import type { Connected, Connection, ConnectionFact, Found, Host, Target } from '../connection.ts'
import type { Mx } from '../hosts/mx.ts'
import type { Site } from '../site/site.ts'

export type Connect = (target: Target, signal: AbortSignal) => Promise<Connected>

/** What one connection is wanted for. */
export interface Call {
  readonly hop: Hop
  /** Where the last attempt may have arrived. */
  readonly first: LastAttempt | undefined
  /** What failed of TLS a short while ago is not taken for granted. */
  readonly tlsAnew: boolean
}

export type Reached =
  | {
      readonly kind: 'connected'
      readonly connection: Connection
      readonly notes: readonly string[]
    }
  | {
      readonly kind: 'failed'
      readonly outcome: Outcome
      readonly fact?: ConnectionFact
      readonly notes: readonly string[]
    }

export interface ReachOptions {
  readonly mx: Mx
  readonly connect: Connect
  readonly credentials: AskCredentials
  /** Where MX hosts listen. */
  readonly smtpPort: number
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly chance: () => number
}

/** Addresses that one attempt calls: more would be work for strangers. */
const MOST = 20

export async function reach(
  options: ReachOptions,
  site: Site,
  call: Call,
  signal: AbortSignal,
): Promise<Reached> {
  const target = await targetOf(options, call)
  if ('found' in target)
    return { kind: 'failed', outcome: judge(target.found, viewOf(call.hop)), notes: [] }
  const notes: string[] = []
  let failed: Extract<Reached, { kind: 'failed' }> | undefined
  let calls = 0
  for await (const candidate of candidates(options, site, call)) {
    if (signal.aborted || calls === MOST) break
    const tried = await attempt(options, site, call, target, candidate, signal)
    if (tried.kind === 'connected') return { ...tried, notes }
    if (candidate.address !== undefined) calls++
    notes.push(describe(candidate, tried.outcome))
    // One host that is only unwell says that another try may help, whatever the others say.
    if (
      failed === undefined ||
      tried.outcome.kind === 'deferred' ||
      failed.outcome.kind !== 'deferred'
    )
      failed = { ...tried, notes }
  }
  if (failed === undefined) return { kind: 'failed', outcome: nobody(site), notes }
  // The failure that is told apart need not be noted again.
  return { ...failed, notes: notes.slice(0, -1) }
}

type Anywhere = Omit<Target, 'host' | 'address'>

/** How every host of the hop is called. */
async function targetOf(
  { credentials, smtpPort }: ReachOptions,
  { hop, tlsAnew }: Call,
): Promise<Anywhere | { readonly found: Found }> {
  const { route, ...must } = hop
  const port = route.kind === 'mx' ? smtpPort : route.port
  const target = { ...must, port, ...(tlsAnew ? { tlsAnew } : {}) }
  if (hop.login === undefined) return target
  try {
    return { ...target, credentials: await credentials(hop.login) }
  } catch (error) {
    return { found: unanswered(hop.login, error) }
  }
}

function unanswered({ user }: Login, error: unknown): Found {
  const why = error instanceof Error ? error.message : String(error)
  const text = `Cannot log in as "${user}": ${why}`
  return { kind: 'loss', stage: 'auth', loss: { kind: 'stopped', text } }
}

interface Candidate {
  readonly host: Host
  readonly address?: string
  /** Its addresses could not be had. */
  readonly found?: Found
}

// First where the last attempt may have arrived, then by preference, and then those that could not be
// reached just now.
async function* candidates(
  { mx, clock, chance }: ReachOptions,
  site: Site,
  { hop: { route }, first }: Call,
): AsyncGenerator<Candidate> {
  const avoided: Candidate[] = []
  const hosts = firstBy(drawLots(site.hosts, chance), (host) => host.name === first?.host)
  for (const host of hosts) {
    const found = await mx.addresses(host, route)
    if (found.kind === 'failed') {
      yield { host, found: found.found }
      continue
    }
    const addresses = firstBy(found.addresses, (address) => address === first?.address)
    for (const address of addresses) {
      if (address !== first?.address && site.avoids(address, clock.now()))
        avoided.push({ host, address })
      else yield { host, address }
    }
  }
  yield* avoided
}

// Hosts of equal preference share the load: each connection draws anew (RFC 5321 5.1), because one
// look-up may serve thousands of them.
function drawLots(hosts: readonly Host[], chance: () => number): readonly Host[] {
  if (hosts.length === 1) return hosts
  return hosts
    .map((host) => ({ host, lot: chance() }))
    .sort((one, other) => one.host.preference - other.host.preference || one.lot - other.lot)
    .map(({ host }) => host)
}

function firstBy<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): readonly Item[] {
  const at = items.findIndex(isFirst)
  return at <= 0 ? items : [items[at]!, ...items.slice(0, at), ...items.slice(at + 1)]
}

async function attempt(
  { connect, clock }: ReachOptions,
  site: Site,
  call: Call,
  target: Anywhere,
  { host, address, found }: Candidate,
  signal: AbortSignal,
): Promise<
  | { kind: 'connected'; connection: Connection }
  | { kind: 'failed'; outcome: Outcome; fact?: ConnectionFact }
> {
  const view = viewOf(call.hop)
  if (found !== undefined) return { kind: 'failed', outcome: judge(found, view) }
  const connected = await connect({ ...target, host: host.name, address: address! }, signal)
  if (connected.kind === 'connected') return connected
  const outcome = judge(connected.found, view)
  // What a host thinks of our login it would think at any of its addresses.
  if (outcome.scope === 'site' && !signal.aborted) site.avoid(address!, clock.now())
  return { kind: 'failed', outcome, fact: connected.fact }
}

function describe({ host, address }: Candidate, { reply }: Outcome): string {
  const where = address === undefined ? host.name : `${host.name} [${address}]`
  return `${where}: ${formatReply(reply)}`
}

function nobody(site: Site): Outcome {
  const text = `No host of ${site.name} was called`
  return {
    kind: 'deferred',
    stage: 'connect',
    scope: 'site',
    reply: { code: 451, status: '4.4.1', text },
    by: 'relay',
  }
}
