// The connection that an attempt goes over: the one at hand where it fits and may carry one more, else a new
// one, asked for again while the server still counts the one that we ended a moment ago.

import { pause } from '../../base/clock.ts'
import { fits } from '../connect/fits.ts'
import type { Connection } from '../connection.ts'
import type { LastAttempt } from '../../queue/port/outflow.ts'
import type { Slot } from '../site/site.ts'
import type { Sites } from '../site/sites.ts'
import { reach } from './reach.ts'
import type { ReachOptions, Reached } from './reach.ts'

export interface ObtainOptions extends ReachOptions {
  readonly sites: Sites
  /** Everything stops at once. */
  readonly signal: AbortSignal
}

/** So soon after we ended a connection a refusal before MAIL may be the echo of that, in milliseconds. */
const ECHOES = 2000
/** How long it is waited for the echo to go, each time: sendmail takes up to 10 ms, when it has the time. */
const ECHO = [20, 100, 1000]

const NONE: readonly string[] = []

/** @param last where the attempt before this one may have arrived */
export async function obtain(
  options: ObtainOptions,
  slot: Slot,
  last: LastAttempt | undefined,
): Promise<Reached> {
  const { sites, clock, signal } = options
  const { connection } = slot
  if (connection !== undefined) {
    if (mayReuse(connection, slot, last, clock.now()))
      return { kind: 'connected', connection, notes: NONE }
    await sites.retire(slot)
  }
  let reached = await reachAnew(options, slot, last)
  for (const wait of ECHO) {
    if (!isEcho(reached, slot, options)) break
    await pause(clock, wait, signal)
    reached = await reachAnew(options, slot, last)
  }
  if (reached.kind === 'connected') sites.opened(slot, reached.connection)
  return reached
}

function mayReuse(
  connection: Connection,
  { site, hop }: Slot,
  last: LastAttempt | undefined,
  now: number,
): boolean {
  const { fact, usable, taken } = connection
  if (!usable || taken >= site.messagesPerConnection(now) || !fits(fact, hop)) return false
  return last?.address === undefined || last.address === fact.address
}

async function reachAnew(
  options: ObtainOptions,
  { site, hop, way }: Slot,
  first: LastAttempt | undefined,
): Promise<Reached> {
  const { clock, signal } = options
  const before = clock.now()
  const tlsAnew = way.trouble.probing && way.trouble.cause === 'tls'
  const reached = await reach(options, site, { hop, first, tlsAnew }, signal)
  site.took(reached.kind === 'connected' ? clock.now() - before : Infinity)
  return reached
}

// A server may count a connection for a moment after its end: what it refuses then is the echo of our own
// goodbye, and no trouble.
function isEcho(reached: Reached, { site }: Slot, { clock, signal }: ObtainOptions): boolean {
  if (reached.kind === 'connected' || reached.outcome.scope !== 'site' || signal.aborted)
    return false
  return reached.outcome.stage !== 'dns' && clock.now() - site.endedAt < ECHOES
}
