// Names asked of resolvers, and what they said remembered for as long as they said. Our own
// client, because Node's hides how long an answer holds and whether it was validated. Trouble is
// an answer too: nothing is thrown, and every question ends.

import { getServers } from 'node:dns'
import { isIPv6 } from 'node:net'
import type { DecodedPacket } from 'dns-packet'
import type { Clock } from '../base/clock.ts'
import { AnswerCache } from './cache.ts'
import { codeOf, plainName, readPacket } from './answer.ts'
import type { Answer, RecordType } from './answer.ts'
import { ask } from './question.ts'
import type { NameServer } from './question.ts'

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
const SERVERS = 3
const ROUNDS = 2
/** Aliases that a server does not follow for us. */
const ALIASES = 8
/** Questions under way at one time: each has a socket. */
const AT_ONCE = 200

export function createResolver(options: ResolverOptions): Resolver {
  const servers = readServers(options.server)
  const asker = new Asker(servers, options.clock, options.patience ?? PATIENCE)
  return {
    query: <Type extends RecordType>(type: Type, name: string) =>
      asker.query(type, plainName(name)) as Promise<Answer<Type>>,
  }
}

/** Throws when the operator wrote what is no `host:port`; of the system's, takes what it can read. */
function readServers(text: string | undefined): NameServer[] {
  if (text !== undefined) return text.split(',').map((part) => readServer(part.trim()))
  const servers = getServers().map((part) => parseServer(part))
  const known = servers.filter((server) => server !== undefined).slice(0, SERVERS)
  return known.length === 0 ? [{ host: '127.0.0.1', port: 53 }] : known
}

function readServer(text: string): NameServer {
  const server = parseServer(text)
  if (server !== undefined) return server
  throw new Error(`Cannot read name server "${text}": want host:port such as 127.0.0.1:53`)
}

// `[::1]:53`, `::1`, or a name or an IPv4 address, with or without a port.
const SERVER = /^(?:\[([^[\]\s]+)\]|([^:[\]\s]+)|([^[\]\s]*:[^[\]\s]*:[^[\]\s]*))(?::(\d{1,5}))?$/

function parseServer(text: string): NameServer | undefined {
  const match = SERVER.exec(text)
  const port = Number(match?.[4] ?? 53)
  if (match === null || port < 1 || port > 65_535) return undefined
  const six = match[1] ?? match[3]
  if (six !== undefined && !isIPv6(six)) return undefined
  return { host: six ?? match[2]!, port }
}

class Asker {
  readonly #servers: readonly NameServer[]
  readonly #clock: Clock
  readonly #patience: number
  readonly #cache: AnswerCache
  readonly #pending = new Map<string, Promise<Answer>>()
  #underWay = 0
  readonly #waiting: (() => void)[] = []

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
    const asking = this.#follow(type, name, 0).then((answer) => {
      this.#pending.delete(key)
      if (answer.kind !== 'trouble') this.#cache.set(key, answer, answer.ttl)
      return answer
    })
    this.#pending.set(key, asking)
    return asking
  }

  // Aliases are not followed by way of `query`: two that point at each other would wait for
  // each other for ever.
  async #follow(type: RecordType, name: string, aliases: number): Promise<Answer> {
    const packet = await this.#inTurn(() => this.#askServers(type, name))
    if ('reason' in packet) return { kind: 'trouble', reason: packet.reason }
    const read = readPacket(packet, type, name)
    if (read.kind !== 'alias') return read
    if (aliases >= ALIASES || !isAskable(read.to))
      return { kind: 'trouble', reason: `aliases without an end from ${name}` }
    const answer = await this.#follow(type, read.to, aliases + 1)
    return answer.kind === 'trouble' ? answer : { ...answer, ttl: Math.min(answer.ttl, read.ttl) }
  }

  async #inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    if (this.#underWay >= AT_ONCE)
      await new Promise<void>((resolve) => this.#waiting.push(() => resolve()))
    this.#underWay++
    try {
      return await act()
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
  }

  async #askServers(
    type: RecordType,
    name: string,
  ): Promise<DecodedPacket | { readonly reason: string }> {
    let reason = 'no name server'
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#servers) {
        const told = await this.#askServer(server, type, name, this.#patience * (round + 1))
        if (!('reason' in told)) return told
        reason = `${server.host}: ${told.reason}`
      }
    }
    return { reason }
  }

  async #askServer(
    server: NameServer,
    type: RecordType,
    name: string,
    milliseconds: number,
  ): Promise<DecodedPacket | { readonly reason: string }> {
    const limit = { clock: this.#clock, milliseconds }
    for (const extended of [true, false]) {
      const told = await ask(server, { name, type, extended }, limit)
      if ('reason' in told) return told
      const code = codeOf(told.packet)
      if (code === NOERROR || code === NXDOMAIN) return told.packet
      if (code !== FORMERR && code !== NOTIMP) return { reason: NAMES[code] ?? `RCODE ${code}` }
    }
    return { reason: 'FORMERR' }
  }
}

const NOERROR = 0
const FORMERR = 1
const NXDOMAIN = 3
const NOTIMP = 4
const NAMES: Record<number, string> = { 2: 'SERVFAIL', 5: 'REFUSED' }

// What no server could know: longer than names can be, or empty.
function isAskable(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > 253) return false
  return name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= 63)
}
