// Content in an object store. Before a message is accepted its object is written, envelope included; Redis has
// none of its content, only who is storing it, so that what is never accepted is taken away again.

import type { NewMail } from '../../port/intake.ts'
import type { ContentRef, MessageId } from '../../port/types.ts'
import type { Caller } from '../calls/caller.ts'
import type { ContentStore, StoreWorld } from '../content/content.ts'
import { queueError } from '../link/link.ts'
import type { Link } from '../link/link.ts'
import type { Bucket } from './bucket.ts'
import { Keeper } from './keeper.ts'
import { contentOf, encode, INLINE, lengthOf } from './object.ts'

/** Bytes that have the header of all but messages to hundreds. */
export const HEAD = 16 * 1024

export class ObjectContent implements ContentStore {
  readonly small = INLINE
  #bucket: Bucket
  #link: Link
  #caller: Caller
  #keeper: Keeper

  constructor(bucket: Bucket, world: StoreWorld) {
    this.#bucket = bucket
    this.#link = world.link
    this.#caller = world.caller
    this.#keeper = new Keeper(bucket, world)
  }

  get at(): string {
    return this.#bucket.at
  }

  get trouble(): string | undefined {
    return this.#bucket.trouble
  }

  async write(id: MessageId, chunks: AsyncIterable<Uint8Array>): Promise<ContentRef> {
    const upload = async (): Promise<number> => this.#bucket.upload(contentOf(id), chunks)
    return { key: id, size: await this.#storing(id, upload) }
  }

  read(ref: ContentRef): AsyncGenerator<Uint8Array> {
    return readContent(this.#bucket, ref)
  }

  /** Unless it was accepted. */
  async remove(id: MessageId): Promise<void> {
    await this.#caller.call(this.#link.work, 'abandon', { id })
  }

  async seal(mail: NewMail, id: MessageId): Promise<void> {
    await this.#storing(id, () => this.#bucket.put(id, encode(mail, id)))
  }

  unseal(id: MessageId): void {
    this.#keeper.abandon(id)
  }

  chunksOf(): number {
    return 0
  }

  async close(): Promise<void> {
    await this.#keeper.stop()
    this.#bucket.close()
  }

  // Whoever finds an object of which Redis knows nothing may deliver it: so that it is being stored is
  // known there first, and as durable as anything.
  async #storing<T>(id: MessageId, write: () => Promise<T>): Promise<T> {
    this.#link.check()
    const { prefix, me } = this.#caller
    try {
      await this.#link.work.hset(`${prefix}/storing`, id, me)
      return await write()
    } catch (error) {
      this.unseal(id)
      throw queueError(error)
    }
  }
}

export async function* readContent(
  bucket: Bucket,
  { key, size }: Pick<ContentRef, 'key' | 'size'>,
): AsyncGenerator<Uint8Array> {
  if (size > INLINE) return yield* bucket.read(contentOf(key))
  const head = await readHead(bucket, key, HEAD + size)
  if (head === undefined) throw new Error(`Cannot read the content of "${key}": it is gone`)
  const start = lengthOf(head)
  if (head.length - start >= size) return yield head.subarray(start)
  const whole = await bucket.first(key, start + size)
  if (whole?.length !== start + size)
    throw new Error(`Cannot read the content of "${key}": it is cut off`)
  yield whole.subarray(start)
}

/** What the object begins with, its whole header at least. Throws what is wrong with it. */
export async function readHead(
  bucket: Bucket,
  id: string,
  bytes = HEAD,
): Promise<Buffer | undefined> {
  const first = await bucket.first(id, bytes)
  if (first === undefined) return undefined
  const length = lengthOf(first)
  return length <= first.length || first.length < bytes ? first : bucket.first(id, length)
}
