// Lanes as BullMQ keeps them: one of its queues each, fetched by hand over shared connections. No worker
// and no connection of a lane's own; BullMQ's scripts join our transactions, and their arguments are
// made by BullMQ itself.

import { createIORedisClient, QueueKeys, RedisConnection, RedisQueueBackend } from 'bullmq'
import type { IRedisTransaction } from 'bullmq'
import type { Redis } from 'ioredis'

import type { NewDelivery } from '../port.ts'
import { laneOf } from './keys.ts'

type Job = Parameters<RedisQueueBackend['addJobToTransaction']>[1]
type Finished = Parameters<RedisQueueBackend['moveToCompletedArgs']>[0]
type KeysMap = ReturnType<QueueKeys['getKeys']>

/** Lanes whose keys are remembered. */
const REMEMBERED = 5000
/** A lock lives as long as its lease, which our scripts see to; this is for what nobody sees to. */
const LOCK = 24 * 3_600_000
/** Whatever falls due is promoted by our scripts, a few at a time: to BullMQ nothing ever does. */
const NEVER = 0

/** Teaches a connection BullMQ's scripts. */
export async function loadBullmq(redis: Redis): Promise<void> {
  const connection = new RedisConnection(redis, { blocking: false, skipVersionCheck: true })
  // Its own errors are the connection's, which has listeners.
  connection.on('error', () => {})
  await connection.client
}

export function beginTransaction(redis: Redis): IRedisTransaction {
  return createIORedisClient(redis).multi() as unknown as IRedisTransaction
}

/** BullMQ's transactions have no command for this. */
export function setBytes(multi: IRedisTransaction, key: string, bytes: Uint8Array): void {
  const commands = multi as unknown as { set(key: string, value: Uint8Array): unknown }
  commands.set(key, bytes)
}

export class Lanes {
  #prefix: string
  #keys: QueueKeys
  #lanes = new Map<string, Lane>()

  constructor(prefix: string) {
    this.#prefix = prefix
    this.#keys = new QueueKeys(prefix)
  }

  get(destination: string): Lane {
    const name = laneOf(destination)
    let lane = this.#lanes.get(name)
    if (lane !== undefined) return lane
    const keys = this.#keys.getKeys(name)
    for (const shared of ['events', 'marker', 'id']) keys[shared] = `${this.#prefix}/${shared}`
    lane = new Lane(this.#prefix, name, keys, (type) => this.#keys.toKey(name, type))
    if (this.#lanes.size >= REMEMBERED) this.#lanes.delete(this.#lanes.keys().next().value!)
    this.#lanes.set(name, lane)
    return lane
  }
}

export class Lane {
  readonly name: string
  #open: (connection: RedisConnection) => RedisQueueBackend
  #backend: RedisQueueBackend

  constructor(prefix: string, name: string, keys: KeysMap, toKey: (type: string) => string) {
    this.name = name
    const opts = { prefix, lockDuration: LOCK, connection: {} }
    this.#open = (connection) =>
      new RedisQueueBackend(connection, name, keys, toKey, opts, undefined, false)
    this.#backend = this.#open(recorder(() => {}))
  }

  /** Adds the job of a delivery: to those that are due, or to wait until it is. */
  add(multi: IRedisTransaction, id: string, delivery: NewDelivery, now: number): void {
    const { due, priority, destination } = delivery
    const delayed = due === now ? {} : { delay: Math.max(1, due - now) }
    const job = {
      name: 'delivery',
      data: JSON.stringify({ to: destination }),
      opts: { priority: Math.max(1, priority), removeOnComplete: true, ...delayed },
      timestamp: due < now ? due - 1 : now,
    } as unknown as Job
    // What it resolves to is the transaction; its reply is read when that is executed.
    void this.#backend.addJobToTransaction(multi, job, id)
  }

  /** What `fetch` needs; the same for every fetch under this token. */
  async fetchWords(token: string): Promise<readonly unknown[]> {
    let words: unknown[] = []
    await this.#open(recorder((said) => (words = said))).moveToActive(token)
    words[FETCHED_AT] = NEVER
    return words
  }

  fetch(multi: IRedisTransaction, words: readonly unknown[]): void {
    this.#backend.execCommand(multi, 'moveToActive', [...words])
  }

  /** Its delivery has ended, or goes elsewhere; with `next` another is fetched. */
  finish(multi: IRedisTransaction, id: string, token: string, next: boolean): void {
    const job = { id, opts: {} } as unknown as Finished
    const words = this.#backend.moveToCompletedArgs(job, null, true, token, next)
    words[FINISHED_AT] = NEVER
    this.#backend.execCommand(multi, 'moveToFinished', words)
  }

  /** Its delivery waits until then; with `next` another is fetched. */
  delay(multi: IRedisTransaction, id: string, token: string, until: number, next: boolean): void {
    const options = { skipAttempt: true, fetchNext: next }
    const words = this.#backend.moveToDelayedArgs(id, NEVER, token, until, options)
    this.#backend.execCommand(multi, 'moveToDelayed', words)
  }
}

/** Where BullMQ's words have the time: behind eleven keys and the prefix, or fourteen and the id. */
const FETCHED_AT = 12
const FINISHED_AT = 15

/** In place of a connection: what BullMQ would send is written down, and joins a transaction of ours. */
function recorder(write: (words: unknown[]) => void): RedisConnection {
  const runCommand = async (_: string, words: unknown[]): Promise<unknown[]> => {
    write(words)
    return []
  }
  return { client: Promise.resolve({ runCommand }) } as unknown as RedisConnection
}
