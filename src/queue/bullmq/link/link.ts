// The connections to Redis, and whether it is there. While it is away every command fails at once and
// nothing is queued here; it is called again with growing pauses, and whoever depends on it is told how
// long it was away once it is found sound.

import { Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'

import { steady } from '../../../base/clock.ts'
import type { Cancel, Clock } from '../../../base/clock.ts'
import { KEY_GROUPS, tellTlsError } from '../../../base/tls.ts'
import { QueueError } from '../../port/types.ts'
import { formatAddress } from './address.ts'
import type { RedisAddress } from './address.ts'
import { durabilityOf, readFacts } from './durability.ts'
import type { Durability, DurabilityWish, ServerFacts } from './durability.ts'
import { loadLibrary } from './library.ts'

export interface LinkOptions {
  readonly address: RedisAddress
  readonly wish: DurabilityWish
  readonly clock: Clock
  /** How the connections are named in CLIENT LIST. */
  readonly name: string
  /** Redis has been called and is sound: what must be done before anybody may use it. */
  readonly arrive: (facts: ServerFacts) => Promise<void>
  /** It is gone, and why; or it is back, after so many milliseconds. */
  readonly tell: (change: LinkChange) => void
}

export type LinkChange =
  | { readonly kind: 'away'; readonly cause: string }
  | { readonly kind: 'unsound'; readonly cause: string }
  | { readonly kind: 'back'; readonly milliseconds: number; readonly durability: Durability }

/** A reply must come within this, or the connection counts as lost. */
const PATIENCE = 10_000
const CONNECT_PATIENCE = 5000
/** Between two looks at a server that does not keep what it should. */
const UNSOUND = 5000

export class Link implements AsyncDisposable {
  /** For attempts and everything else that is quick. */
  readonly work: Redis
  /** For accepting alone: it may be waited on. */
  readonly accepting: Redis
  /** For looking things up, so that a long search is in nobody's way. */
  readonly reading: Redis
  /** Listens to what other processes say. */
  readonly hearing: Redis
  #options: LinkOptions
  #facts: ServerFacts | undefined
  #durability: Durability | undefined
  #down: string | undefined = 'not connected yet'
  #since: number
  #arriving: Promise<void> | undefined
  #retry: Cancel | undefined
  #closed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#since = steady(options.clock)
    const connect = (purpose: string): Redis =>
      connectionTo(options.address, `${options.name}-${purpose}`)
    this.work = connect('work')
    this.accepting = connect('accept')
    this.reading = connect('read')
    this.hearing = connect('hear')
  }

  /** Why nothing can be asked of it now. */
  get down(): string | undefined {
    return this.#down
  }

  get facts(): ServerFacts {
    return this.#facts!
  }

  get durability(): Durability {
    return this.#durability!
  }

  /** Throws a `QueueError` when Redis is away. */
  check(): void {
    if (this.#closed) throw new QueueError('closed', 'The queue is closed')
    if (this.#down !== undefined) throw new QueueError('failing', `Redis is away: ${this.#down}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#retry?.()
    this.#down ??= 'the queue is closed'
    await this.#arriving
    for (const redis of this.#all()) redis.disconnect()
  }

  /** Rejects with what is wrong when Redis cannot be reached, or does not keep what it is told. */
  async open(): Promise<void> {
    const { address } = this.#options
    const errors: Error[] = []
    for (const redis of this.#all()) redis.on('error', (error: Error) => errors.push(error))
    try {
      await Promise.all(this.#all().map((redis) => redis.connect()))
      await choose(this.work, address)
    } catch (error) {
      const reason = reasonOf(errors[0] ?? (error as Error))
      throw new Error(unreachable(address, reason), { cause: error })
    }
    for (const redis of this.#all()) redis.removeAllListeners('error')
    await this.#arrive()
    this.#watch()
  }

  #all(): Redis[] {
    return [this.work, this.accepting, this.reading, this.hearing]
  }

  #watch(): void {
    for (const redis of this.#all()) {
      let cause = 'the connection was closed'
      redis.on('error', (error: Error) => (cause = reasonOf(error)))
      redis.on('close', () => this.#lost(cause))
      redis.on('ready', () => this.#tryArrive())
    }
  }

  #lost(cause: string): void {
    if (this.#closed || this.#down !== undefined) return
    this.#down = cause
    this.#since = steady(this.#options.clock)
    this.#options.tell({ kind: 'away', cause })
  }

  #tryArrive(): void {
    this.#retry?.()
    if (this.#closed || this.#down === undefined || this.#arriving !== undefined) return
    if (this.#all().some(({ status }) => status !== 'ready')) return
    this.#arriving = this.#arriveAgain().finally(() => (this.#arriving = undefined))
  }

  async #arriveAgain(): Promise<void> {
    const { clock, tell } = this.#options
    try {
      await this.#arrive()
      tell({ kind: 'back', milliseconds: steady(clock) - this.#since, durability: this.durability })
    } catch (error) {
      if (this.#closed) return
      const cause = reasonOf(error as Error)
      if (cause !== this.#down) tell({ kind: 'unsound', cause })
      this.#down = cause
      this.#retry = clock.after(UNSOUND, () => this.#tryArrive())
    }
  }

  async #arrive(): Promise<void> {
    const { wish, address, arrive } = this.#options
    await choose(this.work, address)
    this.#facts = await readFacts(this.work)
    this.#durability = durabilityOf(this.#facts, wish, address.kind === 'sentinel')
    await loadLibrary(this.work)
    await arrive(this.#facts)
    if (this.#all().some(({ status }) => status !== 'ready')) throw new Error('it was lost again')
    this.#down = undefined
  }
}

/** Rejects when the server has no such database: the connection would go on in another one. */
export async function choose(redis: Redis, { database }: RedisAddress): Promise<void> {
  await redis.select(database)
}

/** Not connected yet; `purpose` is how CLIENT LIST shows it. */
export function connectionTo(address: RedisAddress, purpose: string): Redis {
  const options: RedisOptions = {
    ...placeOf(address),
    ...(address.user === undefined ? {} : { username: address.user }),
    ...(address.password === undefined ? {} : { password: address.password }),
    db: address.database,
    connectionName: `waypost-${purpose}`,
    protocol: 2,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // What was on its way when the connection was lost fails then; by default it would never be answered.
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_PATIENCE,
    socketTimeout: PATIENCE,
    // What was asked for has been answered by then; a process that ends does not wait for more.
    disconnectTimeout: 100,
    retryStrategy: (times) => Math.min(2000, 50 * 2 ** Math.min(times, 6)),
    // A master that has become a replica: call again, whoever is the master now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  }
  return new Redis(options as never)
}

function placeOf({ kind, hosts, name, tls }: RedisAddress): RedisOptions {
  if (kind === 'server') return { ...hosts[0]!, ...(tls ? { tls: { ecdhCurve: KEY_GROUPS } } : {}) }
  return {
    sentinels: [...hosts],
    name: name!,
    sentinelRetryStrategy: (times) => Math.min(2000, times * 100),
  }
}

/** What a person is told when nobody answers there. */
export function unreachable(address: RedisAddress, reason: string): string {
  const tls = address.tls ? ', does it speak TLS there' : ''
  return `Cannot reach Redis at ${formatAddress(address)}: ${reason}; does it run${tls}, and is WAYPOST_REDIS right?`
}

/** Errors of ioredis carry the whole command; only the words are for people. */
export function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (error.name === 'MaxRetriesPerRequestError') return 'the connection was lost'
  if (error.message.startsWith("Stream isn't writeable")) return 'no Redis answers there'
  if (error.message.includes('DB index is out of range')) return 'it has no such database'
  if (error.message.startsWith('NOAUTH'))
    return 'it wants a password, write redis://user:password@host:6379/0 (WAYPOST_REDIS_FILE names a file with it)'
  if (error.message.startsWith('WRONGPASS')) return 'it does not know this user and password'
  return error.message === '' ? (code ?? error.name) : tellTlsError(error)
}

/** The same without what was sent. */
export function queueError(error: unknown): QueueError {
  if (error instanceof QueueError) return error
  const text = error instanceof Error ? reasonOf(error) : String(error)
  return new QueueError(
    text.startsWith('OOM') ? 'full' : 'failing',
    `Cannot write the queue: ${text}`,
  )
}
