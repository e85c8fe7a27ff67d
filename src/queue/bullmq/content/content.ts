// Where content lives. In Redis small content rides along with its message; larger is stored in pieces beforehand,
// and read piece by piece, so that nobody holds the whole. Other stores are in folders of their own.

import type { Redis } from 'ioredis'

import type { Clock } from '../../../base/clock.ts'
import type { NewMail } from '../../port/intake.ts'
import { QueueError } from '../../port/types.ts'
import type { ContentRef, MessageId } from '../../port/types.ts'
import type { Caller } from '../calls/caller.ts'
import { queueError } from '../link/link.ts'
import type { Link } from '../link/link.ts'

export type Chunks = AsyncIterable<Uint8Array> | Uint8Array

/** What a store is given of the queue. */
export interface StoreWorld {
  readonly link: Link
  readonly caller: Caller
  readonly clock: Clock
  readonly note: (level: 'info' | 'error', text: string, cause?: unknown) => void
  /** Something beside the work has failed and is tried again. */
  readonly failed: (error: unknown) => void
}

/** Where content lives that does not ride along. */
export interface ContentStore {
  /** For people, when it is not in Redis. */
  readonly at?: string
  /** Why nothing can be stored now. */
  readonly trouble?: string | undefined
  /** Larger than this is stored apart. */
  readonly small: number
  /** Stores what is large; rejects with a `QueueError`. */
  write(id: MessageId, chunks: AsyncIterable<Uint8Array>): Promise<ContentRef>
  read(ref: ContentRef): AsyncIterable<Uint8Array>
  /** What was written, or left half written, goes, unless it was accepted. */
  remove(id: MessageId): Promise<void>
  /** Makes sure of a message outside Redis before it is accepted there. */
  seal?(mail: NewMail, id: MessageId): Promise<void>
  /** It was sealed and not accepted. */
  unseal?(id: MessageId): void
  /** Pieces in Redis; 0: it lives elsewhere; `undefined`: it rides along. */
  chunksOf(ref: ContentRef): number | undefined
  close?(): Promise<void>
}

export const SMALL = 256 * 1024
const PIECE = 256 * 1024

/** Small content in memory, larger in the store. */
export async function storeContent(
  store: ContentStore,
  id: MessageId,
  chunks: Chunks,
): Promise<ContentRef> {
  if (chunks instanceof Uint8Array && chunks.length <= store.small)
    return { key: id, size: chunks.length, bytes: chunks }
  const source = iterate(chunks instanceof Uint8Array ? [chunks] : chunks)
  const head: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { value, done } = await source.next()
    if (done === true) return { key: id, size, bytes: Buffer.concat(head, size) }
    head.push(value)
    size += value.length
    if (size > store.small) return store.write(id, rejoin(head, source))
  }
}

async function* rejoin(
  head: Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (const chunk of head.splice(0)) yield chunk
  yield* rest
}

async function* iterate(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, undefined> {
  yield* source
}

/** Pieces of one size, the last one smaller. */
export async function* inPieces(
  chunks: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Buffer> {
  let gathered: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    gathered.push(chunk)
    size += chunk.length
    while (size >= length) {
      const all = Buffer.concat(gathered, size)
      yield all.subarray(0, length)
      gathered = [all.subarray(length)]
      size -= length
    }
  }
  if (size > 0) yield Buffer.concat(gathered, size)
}

export class RedisContent implements ContentStore {
  readonly small = SMALL
  #link: Link
  #prefix: string
  #me: string

  constructor(link: Link, prefix: string, me: string) {
    this.#link = link
    this.#prefix = prefix
    this.#me = me
  }

  async write(id: MessageId, chunks: AsyncIterable<Uint8Array>): Promise<ContentRef> {
    let size = 0
    let n = 0
    try {
      await this.#ask((redis) => redis.hset(`${this.#prefix}/storing`, id, this.#me))
      for await (const piece of inPieces(chunks, PIECE)) {
        size += piece.length
        const key = this.#key(id, n++)
        await this.#ask((redis) => redis.set(key, piece))
      }
      return { key: id, size }
    } catch (error) {
      await this.remove(id).catch(() => {}) // the sweep takes what this leaves
      throw error
    }
  }

  async *read({ key, size }: ContentRef): AsyncGenerator<Uint8Array> {
    const pieces = Math.ceil(size / PIECE)
    for (let n = 0; n < pieces; n++) {
      const piece = await this.#ask((redis) => redis.getBuffer(this.#key(key, n)))
      if (piece === null) throw new Error(`Cannot read the content of "${key}": piece ${n} is gone`)
      yield piece
    }
  }

  async remove(id: MessageId): Promise<void> {
    for (let n = 0; ; n += TOGETHER) {
      const keys = Array.from({ length: TOGETHER }, (_, i) => this.#key(id, n + i))
      if ((await this.#ask((redis) => redis.unlink(...keys))) < TOGETHER) break
    }
    await this.#ask((redis) => redis.hdel(`${this.#prefix}/storing`, id))
  }

  chunksOf({ size, bytes }: ContentRef): number | undefined {
    return bytes === undefined ? Math.ceil(size / PIECE) : undefined
  }

  #key(id: string, n: number): string {
    return `${this.#prefix}/c/${id}/${n}`
  }

  async #ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    this.#link.check()
    try {
      return await command(this.#link.work)
    } catch (error) {
      throw error instanceof QueueError ? error : queueError(error)
    }
  }
}

const TOGETHER = 64
