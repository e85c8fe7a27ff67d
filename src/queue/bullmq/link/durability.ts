// What the server keeps of what it was told, read from itself: whether a 250 can mean "on stable
// storage", by which means, or why not. Whatever is weaker than that is refused unless the operator has
// said that up to a second of accepted mail may be lost.

import type { Redis } from 'ioredis'

export interface DurabilityWish {
  /** Replicas that must have a message too before its 250. */
  readonly replicas: number
  /** The operator takes the loss of up to a second of accepted mail. */
  readonly relaxed: boolean
}

/** What the server says of itself. */
export interface ServerFacts {
  /** "redis" or "valkey". */
  readonly product: string
  readonly version: string
  /** Redis's own version that it is compatible with. */
  readonly compatible: string
  readonly role: string
  /** Changes whenever the server starts, and when another takes over. */
  readonly run: string
  readonly replicas: number
  /** Whom it follows, as host:port. */
  readonly master?: string
  readonly appendOnly: boolean
  /** `undefined`: the server does not let us look. */
  readonly appendFsync: string | undefined
  readonly maxMemory: number
  readonly maxMemoryPolicy: string
  readonly usedMemory: number
}

/** How acceptance is made sure of. */
export interface Durability {
  /** In words, for people. */
  readonly says: string
  readonly isRelaxed: boolean
  /** What is waited for after each batch of accepted mail. */
  readonly wait:
    | { readonly kind: 'nothing' }
    | { readonly kind: 'aof'; readonly replicas: number }
    | { readonly kind: 'replicas'; readonly replicas: number }
}

export async function readFacts(redis: Redis): Promise<ServerFacts> {
  const info = parseInfo(await redis.info())
  const fsync = await redis.config('GET', 'appendfsync').then(
    (found) => found[1],
    () => undefined,
  )
  const valkey = info.get('valkey_version')
  const compatible = info.get('redis_version') ?? '0.0.0'
  return {
    product: valkey === undefined ? 'redis' : 'valkey',
    version: valkey ?? compatible,
    compatible,
    role: info.get('role') ?? 'unknown',
    run: info.get('run_id') ?? '',
    replicas: Number(info.get('connected_slaves') ?? 0),
    ...masterOf(info),
    appendOnly: info.get('aof_enabled') === '1',
    appendFsync: fsync,
    ...memoryOf(info),
  }
}

/** Those that have all of it and follow; not those that are still being sent it. */
export function replicasOf(info: ReadonlyMap<string, string>): number {
  const lines = [...info].filter(([name]) => /^slave\d+$/.test(name))
  return lines.filter(([, text]) => text.includes('state=online')).length
}

function masterOf(info: ReadonlyMap<string, string>): Pick<ServerFacts, 'master'> {
  const host = info.get('master_host')
  return host === undefined ? {} : { master: `${host}:${info.get('master_port')}` }
}

export function memoryOf(
  info: ReadonlyMap<string, string>,
): Pick<ServerFacts, 'maxMemory' | 'maxMemoryPolicy' | 'usedMemory'> {
  return {
    maxMemory: Number(info.get('maxmemory') ?? 0),
    maxMemoryPolicy: info.get('maxmemory_policy') ?? 'noeviction',
    usedMemory: Number(info.get('used_memory') ?? 0),
  }
}

export function parseInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), afterColon(line)]))
}

function afterColon(line: string): string {
  return line.slice(line.indexOf(':') + 1)
}

/** From here on it keeps functions. */
const OLDEST = [7, 0]
/** From here on a client can wait until what it wrote is synced: WAITAOF. */
const CAN_WAIT = [7, 2]

/** How the server can keep what we promise; throws a sentence that says what to change. */
export function durabilityOf(
  facts: ServerFacts,
  wish: DurabilityWish,
  sentinel: boolean,
): Durability {
  if (!isAtLeast(facts.compatible, OLDEST))
    throw new Error(`${nameOf(facts)} is too old: 7.0 is the oldest that serves`)
  if (facts.role !== 'master')
    throw new Error(
      `${nameOf(facts)} is a ${facts.role}, not a master: name the master${facts.master === undefined ? '' : `, ${facts.master}`}`,
    )
  if (facts.maxMemoryPolicy !== 'noeviction')
    throw new Error(
      `Redis would throw mail away when its memory is full: maxmemory-policy is ${facts.maxMemoryPolicy}; set it to noeviction`,
    )
  const loss = greatLossOf(facts)
  if (loss !== undefined) throw new Error(loss)
  const weakness = weaknessOf(facts, wish, sentinel)
  if (weakness === undefined) return soundly(facts, wish)
  if (!wish.relaxed)
    throw new Error(
      `${weakness}; or set WAYPOST_DURABILITY=relaxed, if up to a second of accepted mail may be lost`,
    )
  return {
    says: `relaxed: up to a second of accepted mail may be lost (${weakness})`,
    isRelaxed: true,
    wait: wish.replicas > 0 ? { kind: 'replicas', replicas: wish.replicas } : { kind: 'nothing' },
  }
}

// More than even an operator who takes some loss has agreed to.
function greatLossOf({ appendOnly, appendFsync }: ServerFacts): string | undefined {
  if (!appendOnly)
    return 'Redis would lose all mail since its last snapshot: appendonly is no; set appendonly yes and appendfsync always'
  if (appendFsync === 'no')
    return 'Redis would lose mail of half a minute: appendfsync is no; set it to always'
  return undefined
}

function weaknessOf(
  facts: ServerFacts,
  { replicas }: DurabilityWish,
  sentinel: boolean,
): string | undefined {
  const { appendFsync, compatible } = facts
  if (appendFsync !== 'always' && !isAtLeast(compatible, CAN_WAIT))
    return `appendfsync is ${appendFsync ?? 'not to be read'}: set it to always`
  if (replicas === 0 && (sentinel || facts.replicas > 0))
    return `a replica may take over (${facts.replicas} connected) without the last mail: set WAYPOST_REDIS_REPLICAS to 1 or more`
  return undefined
}

function soundly(facts: ServerFacts, { replicas }: DurabilityWish): Durability {
  const copies = replicas === 0 ? '' : ` and held by ${replicas} ${plural(replicas)}`
  if (!isAtLeast(facts.compatible, CAN_WAIT))
    return {
      says: `every message is synced${copies} before its 250 (appendfsync always)`,
      isRelaxed: false,
      wait: replicas === 0 ? { kind: 'nothing' } : { kind: 'replicas', replicas },
    }
  if (facts.appendFsync === 'always' && replicas === 0)
    return {
      says: 'every message is synced before its 250 (appendfsync always)',
      isRelaxed: false,
      wait: { kind: 'nothing' },
    }
  const synced = replicas === 0 ? '' : ` and on ${replicas} ${plural(replicas)}`
  return {
    says: `every message is synced${synced} before its 250 (WAITAOF)`,
    isRelaxed: false,
    wait: { kind: 'aof', replicas },
  }
}

/** Why no mail can be accepted, where fewer replicas follow than must have it. */
export function lackOf(replicas: number, wish: DurabilityWish): string | undefined {
  if (replicas >= wish.replicas) return undefined
  return `${replicas} of ${wish.replicas} ${plural(wish.replicas)} follow Redis: no mail is taken until they do, or WAYPOST_REDIS_REPLICAS is less`
}

function plural(count: number): string {
  return count === 1 ? 'replica' : 'replicas'
}

function nameOf({ product, version }: ServerFacts): string {
  return `${product === 'valkey' ? 'Valkey' : 'Redis'} ${version}`
}

function isAtLeast(version: string, [major = 0, minor = 0]: readonly number[]): boolean {
  const [its = 0, then = 0] = version.split('.').map(Number)
  return its > major || (its === major && then >= minor)
}
