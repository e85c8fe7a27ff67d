// The schedule made anew from the objects, after Redis was lost. What Redis knows of stays as it is, so this
// may be done beside running relays, twice, and from two machines at once. Page by page: the
// bucket may be larger than memory.

import type { Redis } from 'ioredis'

import { QueueError } from '../port/types.ts'
import type { MessageId } from '../port/types.ts'
import type { Caller } from './calls/caller.ts'
import { queueError } from './link/link.ts'
import { openCaller } from './remote.ts'
import type { RemoteOptions } from './remote.ts'
import { acceptRow } from './calls/rows.ts'
import type { BucketAddress } from './s3/address.ts'
import { openBucket } from './s3/bucket.ts'
import type { Bucket, Listed } from './s3/bucket.ts'
import { decode, doneOf, INLINE, lengthOf } from './s3/object.ts'
import type { Sealed } from './s3/object.ts'
import { readHead } from './s3/store.ts'

export interface RebuildWish extends RemoteOptions {
  readonly content: BucketAddress
  readonly who: string
  /** Says what would be done. */
  readonly dry: boolean
  readonly signal: AbortSignal
  /** An object of which nothing can be made, and why. */
  readonly broken: (object: string, why: string) => void
  /** Called with each page. */
  readonly progress: (rebuilt: Rebuilt) => void
}

/** Messages by what became of them. */
export interface Rebuilt {
  restored: number
  /** Redis knows of them, whether they wait or have ended. */
  known: number
  /** They are just being accepted. */
  arriving: number
  /** They have ended or were never accepted, and their objects go. */
  leaving: number
  broken: number
}

/** Objects read at one time. */
const TOGETHER = 24
/** What has no message for so long never gets one: an upload takes less. */
const ABANDONED = 24 * 3_600_000

/** Rejects with what is wrong when Redis or the bucket cannot be reached. */
export async function rebuild(wish: RebuildWish): Promise<Rebuilt> {
  await using parts = new AsyncDisposableStack()
  const { redis, caller } = await openCaller(wish)
  parts.defer(() => redis.disconnect())
  const bucket = await openBucket(wish.content, wish.prefix)
  parts.defer(() => bucket.close())
  return await new Rebuilding(wish, redis, caller, bucket).run()
}

/** What is in the bucket of one message. */
interface Found {
  readonly id: MessageId
  readonly own?: Listed
  readonly content?: Listed
  readonly done?: Listed
}

class Rebuilding {
  #wish: RebuildWish
  #redis: Redis
  #caller: Caller
  #bucket: Bucket
  #rebuilt: Rebuilt = { restored: 0, known: 0, arriving: 0, leaving: 0, broken: 0 }

  constructor(wish: RebuildWish, redis: Redis, caller: Caller, bucket: Bucket) {
    this.#wish = wish
    this.#redis = redis
    this.#caller = caller
    this.#bucket = bucket
  }

  async run(): Promise<Rebuilt> {
    for await (const page of messagesOf(this.#bucket.list())) {
      const unknown = await this.#unknown(page)
      const work = async (): Promise<void> => {
        for (let next = unknown.shift(); next !== undefined; next = unknown.shift())
          if (!this.#wish.signal.aborted) this.#rebuilt[await this.#restore(next)]++
      }
      await Promise.all(Array.from({ length: TOGETHER }, work))
      if (this.#wish.signal.aborted) break
      this.#wish.progress(this.#rebuilt)
    }
    return this.#rebuilt
  }

  /** Those of which Redis has no record: usually nearly all, or nearly none. */
  async #unknown(page: readonly Found[]): Promise<Found[]> {
    const asking = this.#redis.pipeline()
    for (const { id } of page) asking.exists(`${this.#caller.prefix}/m/${id}`)
    const replies = (await asking.exec())!
    const unknown = page.filter((_, index) => {
      const [error, exists] = replies[index]!
      if (error !== null) throw queueError(error)
      return exists === 0
    })
    this.#rebuilt.known += page.length - unknown.length
    return unknown
  }

  async #restore(found: Found): Promise<keyof Rebuilt> {
    const { id, own } = found
    try {
      if (own === undefined) return await this.#leftover(found)
      const head = await readHead(this.#bucket, id)
      if (head === undefined) return 'leaving'
      const sealed = decode(head)
      checkContent(found, own, sealed, lengthOf(head))
      return await this.#accept(sealed, await this.#ended(found))
    } catch (error) {
      // Redis or the bucket has gone: nothing is wrong with the object.
      if (error instanceof QueueError) throw error
      this.#wish.broken(this.#bucket.placeOf(id), (error as Error).message)
      return 'broken'
    }
  }

  /** Content of which the message was never sealed, or a note that came too late. */
  async #leftover({ id, content, done }: Found): Promise<keyof Rebuilt> {
    const at = Math.max(content?.at ?? 0, done?.at ?? 0)
    if (at > Date.now() - ABANDONED) return 'arriving'
    if (!this.#wish.dry) await this.#redis.sadd(`${this.#caller.prefix}/gone`, id)
    return 'leaving'
  }

  /** Fields of the record: recipients that are known to have ended. */
  async #ended({ id, done }: Found): Promise<readonly string[]> {
    if (done === undefined) return []
    const text = await this.#bucket.first(doneOf(id), done.size)
    try {
      return text === undefined ? [] : (JSON.parse(String(text)) as string[])
    } catch (error) {
      throw new Error(
        `${doneOf(id)}, which says who has it already, is broken; without it all get it again`,
        { cause: error },
      )
    }
  }

  async #accept({ id, mail }: Sealed, rows: readonly string[]): Promise<keyof Rebuilt> {
    const { who, dry } = this.#wish
    const ended = rows.flatMap((row) => (/^r\d+$/.test(row) ? [Number(row.slice(1))] : []))
    const { given, words } = acceptRow(mail, id, undefined, 0)
    const restore = { ...given, ended, who, dry }
    const answer = await this.#caller.call(this.#redis, 'restore', restore, ...words, ...rows)
    return answer.value as keyof Rebuilt
  }
}

function checkContent({ content }: Found, own: Listed, { mail }: Sealed, start: number): void {
  const { size } = mail.content
  const there = size > INLINE ? content?.size : own.size - start
  if (there === size) return
  const what = there === undefined ? 'is not there' : `has ${there} bytes`
  throw new Error(`its content ${what} and should have ${size}`)
}

/** Objects by their message; all of one stand together, also across pages. */
async function* messagesOf(
  pages: AsyncIterable<readonly Listed[]>,
): AsyncGenerator<readonly Found[]> {
  let open: Found | undefined
  for await (const page of pages) {
    const whole: Found[] = []
    for (const object of page) {
      const [, name, kind = 'own'] = /^([0-9a-z]{14})(?:\.(content|done))?$/.exec(object.name) ?? []
      if (name === undefined) continue
      if (open !== undefined && open.id !== name) {
        whole.push(open)
        open = undefined
      }
      open = { ...open, id: name as MessageId, [kind]: object }
    }
    yield whole
  }
  if (open !== undefined) yield [open]
}
