// Names asked of resolvers, and what they said remembered for as long as they said. Our own
// client, because Node's hides how long an answer holds and whether it was validated. Trouble is
// an answer too: nothing is thrown, and every question ends.

import { steady } from '../base/clock.ts'
import type { Clock } from '../base/clock.ts'
import { Semaphore } from '../base/semaphore.ts'
import { NOERROR, NXDOMAIN, readPacket } from './answer.ts'
import type { Answer } from './answer.ts'
import { AnswerCache } from './cache.ts'
import { isAskable, plainName } from './name.ts'
import type { Packet } from './packet.ts'
import { ask } from './question.ts'
import type { RecordType } from './records.ts'
import { readServers } from './servers.ts'
import type { NameServer } from './servers.ts'
import { systemServers } from './system.ts'

export interface Resolver {
  query<Type extends RecordType>(type: Type, name: string): Promise<Answer<Type>>
}

export interface ResolverOptions {
  readonly clock: Clock
  /** `host:port`, several separated by commas; default: those of the system. */
  readonly server?: string
  /** Milliseconds for one try; the second try of a server has twice that. */
  readonly patience?: number
}

const PATIENCE = 2500
const ROUNDS = 2
/** No other server is asked for a name, and no other alias followed, when so many milliseconds are over. */
const LONGEST = 30_000
/** Aliases that a server does not follow for us. */
const ALIASES = 8
/** Questions under way at one time: each has a socket. */
const AT_ONCE = 200

export function createResolver(options: ResolverOptions): Resolver {
  const { server } = options
  const servers = server === undefined ? systemServers() : readServers(server)
  const asker = new Asker(servers, options.clock, options.patience ?? PATIENCE)
  return {
    query: <Type extends RecordType>(type: Type, name: string) =>
      asker.query(type, plainName(name)) as Promise<Answer<Type>>,
  }
}

class Asker {
  readonly #servers: readonly NameServer[]
  readonly #clock: Clock
  readonly #patience: number
  readonly #cache: AnswerCache
  readonly #pending = new Map<string, Promise<Answer>>()
  readonly #turns = new Semaphore({ places: AT_ONCE })

  constructor(servers: readonly NameServer[], clock: Clock, patience: number) {
    this.#servers = servers
    this.#clock = clock
    this.#patience = patience
    this.#cache = new AnswerCache(clock)
  }

  query(type: RecordType, name: string): Promise<Answer> {
    if (!isAskable(name)) return Promise.resolve({ kind: 'no name', ttl: 0, authentic: false })
    const key = `${type} ${name}`
    const known = this.#cache.get(key)
    if (known !== undefined) return Promise.resolve(known)
    return this.#pending.get(key) ?? this.#begin(key, type, name)
  }

  // The same question, asked while it is under way, is one question.
  #begin(key: string, type: RecordType, name: string): Promise<Answer> {
    const until = steady(this.#clock) + LONGEST
    const asking = this.#follow(type, name, 0, until)
      .then((answer) => {
        if (answer.kind !== 'trouble') this.#cache.set(key, answer, answer.ttl)
        return answer
      })
      .finally(() => this.#pending.delete(key))
    this.#pending.set(key, asking)
    return asking
  }

  // Aliases are not followed by way of `query`: two that point at each other would wait for
  // each other for ever.
  async #follow(type: RecordType, name: string, aliases: number, until: number): Promise<Answer> {
    const packet = await this.#inTurn(() => this.#askServers(type, name, until))
    if ('reason' in packet) return { kind: 'trouble', reason: packet.reason }
    const read = readPacket(packet, type, name)
    if (read.kind !== 'alias') return read
    if (aliases >= ALIASES || !isAskable(read.to))
      return { kind: 'trouble', reason: `aliases without an end from ${name}` }
    const answer = await this.#follow(type, read.to, aliases + 1, until)
    return answer.kind === 'trouble' ? answer : { ...answer, ttl: Math.min(answer.ttl, read.ttl) }
  }

  async #inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    using _place = await this.#turns.enter()
    return await act()
  }

  async #askServers(type: RecordType, name: string, until: number): Promise<Packet | Trouble> {
    let reason = 'no name server'
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#servers) {
        const told = await this.#askServer(server, type, name, this.#patience * (round + 1))
        if (!('reason' in told)) return told
        reason = `${server.host}: ${told.reason}`
        if (steady(this.#clock) >= until) return { reason }
      }
    }
    return { reason }
  }

  async #askServer(
    server: NameServer,
    type: RecordType,
    name: string,
    milliseconds: number,
  ): Promise<Packet | Trouble> {
    const limit = { clock: this.#clock, milliseconds }
    for (const extended of [true, false]) {
      const told = await ask(server, { name, type, extended }, limit)
      if ('reason' in told) return told
      const { code } = told.packet
      if (code === NOERROR || code === NXDOMAIN) return told.packet
      if (code !== FORMERR && code !== NOTIMP && code !== BADVERS)
        return { reason: NAMES[code] ?? `RCODE ${code}` }
    }
    return { reason: 'FORMERR' }
  }
}

interface Trouble {
  readonly reason: string
}

const FORMERR = 1
const NOTIMP = 4
const BADVERS = 16
const NAMES: Record<number, string> = { 2: 'SERVFAIL', 5: 'REFUSED' }
