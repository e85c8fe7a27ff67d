// Lanes as BullMQ keeps them: one of its queues each, fetched by hand over shared connections. No worker
// and no connection of a lane's own; BullMQ's scripts are parts of our steps, and their words are made by
// BullMQ itself.

import { QueueKeys, RedisQueueBackend } from 'bullmq'
import type { IRedisTransaction, RedisConnection } from 'bullmq'

import type { NewDelivery } from '../../port/intake.ts'
import type { Entry, SharedKeys, Word } from '../calls/caller.ts'
import { laneOf } from '../link/keys.ts'
import { nameOf, SCRIPTS } from '../link/library.ts'
import type { ScriptName } from '../link/library.ts'

type Job = Parameters<RedisQueueBackend['addJobToTransaction']>[1]
type Finished = Parameters<RedisQueueBackend['moveToCompletedArgs']>[0]
type KeysMap = ReturnType<QueueKeys['getKeys']>

/** Lanes whose keys are remembered. */
const REMEMBERED = 5000
/** A lock lives as long as its lease, which our scripts see to; this is for what nobody sees to. */
const LOCK = 24 * 3_600_000
/** Whatever falls due is promoted by our scripts, a few at a time: to BullMQ nothing ever does. */
const NEVER = 0

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
  #open: (client: IRedisTransaction) => RedisQueueBackend
  #backend: RedisQueueBackend
  #keys: Partial<Record<ScriptName, SharedKeys>> = {}
  #toKey: (type: string) => string

  constructor(prefix: string, name: string, keys: KeysMap, toKey: (type: string) => string) {
    this.name = name
    this.#toKey = toKey
    const opts = { prefix, lockDuration: LOCK, connection: {} }
    this.#open = (client) => {
      const connection = { client: Promise.resolve(client) } as unknown as RedisConnection
      return new RedisQueueBackend(connection, name, keys, toKey, opts, undefined, false)
    }
    this.#backend = this.#open(recorder().client)
  }

  /** Adds the job of a delivery: to those that are due, or to wait until it is. */
  add(id: string, delivery: NewDelivery, now: number): Entry {
    const { due, priority, destination } = delivery
    const delayed = due === now ? {} : { delay: Math.max(1, due - now) }
    const job = {
      name: 'delivery',
      data: JSON.stringify({ to: destination }),
      opts: { priority: Math.max(1, priority), removeOnComplete: true, ...delayed },
      timestamp: due < now ? due - 1 : now,
    } as unknown as Job
    const { client, said } = recorder()
    void this.#backend.addJobToTransaction(client, job, id)
    return this.#entry(...said[0]!)
  }

  /** What is asked of it under a lease. */
  under(token: string): Drawing {
    return {
      fetch: this.#fetch(token),
      finish: [this.#finish(token, false), this.#finish(token, true)],
      token,
    }
  }

  /** Its delivery has ended, or goes elsewhere; with `next` another is fetched. */
  finish(id: string, { finish }: Drawing, next: boolean): Entry {
    const { words, ...entry } = finish[next ? 1 : 0]
    return { ...entry, words: [this.#toKey(id), id, ...words.slice(2)] }
  }

  /** Its delivery waits until then; with `next` another is fetched. */
  delay(id: string, { token }: Drawing, until: number, next: boolean): Entry {
    const options = { skipAttempt: true, fetchNext: next }
    const words = this.#backend.moveToDelayedArgs(id, NEVER, token, until, options)
    return this.#entry('moveToDelayed', words, id)
  }

  async #fetch(token: string): Promise<Entry> {
    const { client, said } = recorder()
    await this.#open(client).moveToActive(token)
    const [, words] = said[0]!
    words[FETCHED_AT] = NEVER
    return this.#entry('moveToActive', words)
  }

  #finish(token: string, next: boolean): Entry {
    const job = { id: ANY, opts: {} } as unknown as Finished
    const words = this.#backend.moveToCompletedArgs(job, null, true, token, next)
    words[FINISHED_AT] = NEVER
    return this.#entry('moveToFinished', words, ANY)
  }

  // A script's keys are the same whenever it is about this lane, but for the job's own.
  #entry(name: ScriptName, words: readonly unknown[], id?: string): Entry {
    const count = SCRIPTS[name]
    const own = id === undefined ? -1 : words.indexOf(this.#toKey(id))
    const keys = (this.#keys[name] ??= {
      keys: words.slice(0, count) as string[],
      ...(own === -1 ? {} : { own: own + 1 }),
    })
    const rest = words.slice(count).map(wordOf)
    return { name, keys, words: own === -1 ? rest : [this.#toKey(id!), ...rest] }
  }
}

/** Scripts with their words, under one lease; `finish` of any job, the second takes the next. */
export interface Drawing {
  readonly token: string
  readonly fetch: Promise<Entry>
  readonly finish: readonly [Entry, Entry]
}

/** Whatever job it is: its key and its id come first among the words. */
const ANY = '-'
/** Where BullMQ's words have the time: behind eleven keys and the prefix, or fourteen and the id. */
const FETCHED_AT = 12
const FINISHED_AT = 15

type Said = [name: ScriptName, words: unknown[]]

/** In place of a connection: what BullMQ would send is written down, and becomes part of a step. */
function recorder(): { readonly client: IRedisTransaction; readonly said: readonly Said[] } {
  const said: Said[] = []
  const runCommand = (command: string, words: unknown[]): unknown => {
    said.push([nameOf(command), words])
    return []
  }
  return { client: { runCommand } as unknown as IRedisTransaction, said }
}

/** As a client of Redis writes it. */
function wordOf(word: unknown): Word {
  return word instanceof Uint8Array ? word : String((word as Word | boolean | null) ?? '')
}
