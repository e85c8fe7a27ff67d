// What the system knows: its name servers, and names asked of it as `ping` does (its hosts file, its
// search domains), only those that an operator wrote. The system asks on one of the few threads that
// also sign, and may take long: so it is asked one thing at a time, and remembered.

import { getServers } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { Clock } from '../base/clock.ts'
import { Semaphore } from '../base/semaphore.ts'
import { parseServer, type NameServer } from './servers.ts'

/** The addresses that the system knows, none where it knows nothing or takes too long. */
export type SystemLookup = (name: string) => Promise<readonly string[]>

/** Milliseconds. */
const PATIENCE = 5000
const REMEMBERED = 30_000
/** Names; operators write few. */
const MOST = 1000

export function createSystemLookup(clock: Clock, ask: SystemLookup = askSystem): SystemLookup {
  const patience = { clock, milliseconds: PATIENCE }
  const turns = new Semaphore({ places: 1, patience })
  const known = new Map<string, { readonly found: Promise<readonly string[]>; until: number }>()
  const begin = async (name: string): Promise<readonly string[]> => {
    const place = await turns.enter()
    if (place === undefined) return []
    const asking = ask(name).catch(() => [])
    // The place is kept until the system has answered: its thread is.
    void asking.then(() => place[Symbol.dispose]())
    const { promise, resolve } = Promise.withResolvers<readonly string[]>()
    const cancel = clock.after(PATIENCE, () => resolve([]))
    const found = await Promise.race([asking, promise])
    cancel()
    return found
  }
  return (name) => {
    const before = known.get(name)
    if (before !== undefined && clock.now() < before.until) return before.found
    const found = begin(name)
    known.delete(name)
    known.set(name, { found, until: clock.now() + REMEMBERED })
    if (known.size > MOST) known.delete(known.keys().next().value!)
    return found
  }
}

async function askSystem(name: string): Promise<string[]> {
  const found = await lookup(name, { all: true })
  return found.map(({ address }) => address)
}

const SERVERS = 3

/** Those that can be read. */
export function systemServers(): NameServer[] {
  const servers = getServers().map((part) => parseServer(part))
  const known = servers.filter((server) => server !== undefined).slice(0, SERVERS)
  return known.length === 0 ? [{ host: '127.0.0.1', port: 53 }] : known
}
