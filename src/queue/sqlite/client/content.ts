// Large content: a file each, written and synced by the client's thread, so that it never stands
// in the way of small commits. Once `store` resolves, the file is on disk under its name.

import { chmod, mkdir, open, readdir, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { QueueError } from '../../port/types.ts'
import type { ContentRef, MessageId } from '../../port/types.ts'
import { SMALL } from '../schema/schema.ts'

type Chunks = AsyncIterable<Uint8Array> | Uint8Array

/** Bytes gathered before one write. */
const PIECE = 128 * 1024
/** Bytes of one read. */
const READ = 64 * 1024
/** What an id may be made of to name a file. */
const SAFE = /^[0-9A-Za-z][0-9A-Za-z._-]{0,150}$/

export class Content {
  #folder: string
  /** Stored here and not accepted yet: the sweep leaves them alone. */
  #open = new Set<string>()

  constructor(folder: string) {
    this.#folder = join(folder, 'content')
  }

  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await chmod(this.#folder, 0o700)
  }

  async store(id: MessageId, chunks: Chunks): Promise<ContentRef> {
    if (chunks instanceof Uint8Array && chunks.length <= SMALL)
      return { key: id, size: chunks.length, bytes: chunks }
    const source = chunks instanceof Uint8Array ? [chunks] : chunks
    const head: Uint8Array[] = []
    let size = 0
    const rest = iterate(source)
    for (;;) {
      const { value, done } = await rest.next()
      if (done === true) return { key: id, size, bytes: Buffer.concat(head, size) }
      head.push(value)
      size += value.length
      if (size > SMALL) return this.#storeFile(id, head, rest)
    }
  }

  async discard({ key, bytes }: ContentRef): Promise<void> {
    if (bytes !== undefined) return
    this.#open.delete(key)
    await rm(join(this.#folder, key), { force: true })
  }

  accepted({ key }: ContentRef): void {
    this.#open.delete(key)
  }

  /** In pieces, read one ahead of nobody: a slow taker holds one piece in memory. */
  async *read(key: string): AsyncGenerator<Uint8Array, undefined> {
    await using file = await open(join(this.#folder, key))
    for (;;) {
      const piece = Buffer.allocUnsafeSlow(READ)
      const { bytesRead } = await file.read(piece, 0, READ)
      if (bytesRead === 0) return
      yield bytesRead === READ ? piece : piece.subarray(0, bytesRead)
    }
  }

  /** Files that may belong to nobody. */
  async strays(): Promise<string[]> {
    const names = await readdir(this.#folder)
    return names.filter((name) => !this.#open.has(name))
  }

  async remove(key: string): Promise<void> {
    if (!this.#open.has(key)) await rm(join(this.#folder, key), { force: true })
  }

  async #storeFile(
    id: MessageId,
    head: Uint8Array[],
    rest: AsyncIterator<Uint8Array>,
  ): Promise<ContentRef> {
    if (!SAFE.test(id)) throw new Error(`Cannot store "${id}": it is no id`)
    const path = join(this.#folder, id)
    this.#open.add(id)
    try {
      const size = await writeAndSync(path, head, rest)
      await syncFolder(this.#folder) // the new name is data of the folder
      return { key: id, size }
    } catch (error) {
      this.#open.delete(id)
      await rest.return?.()
      await rm(path, { force: true }).catch(() => {}) // the sweep at start takes what this leaves
      throw error
    }
  }
}

async function writeAndSync(
  path: string,
  head: Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): Promise<number> {
  await using file = await asQueueError(path, open(path, 'w', 0o600))
  let size = 0
  let piece = head
  let gathered = lengthOf(head)
  for (;;) {
    const { value, done } = await rest.next()
    if (done !== true) {
      piece.push(value)
      gathered += value.length
      if (gathered < PIECE) continue
    }
    await asQueueError(path, writeAll(file, piece))
    size += gathered
    piece = []
    gathered = 0
    if (done === true) break
  }
  await asQueueError(path, file.sync())
  return size
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}

async function writeAll(file: FileHandle, chunks: Uint8Array[]): Promise<void> {
  if (chunks.length === 0) return
  const total = lengthOf(chunks)
  const { bytesWritten } = await file.writev(chunks)
  // Most often all of it is written at once; `writeFile` goes on until the rest is.
  if (bytesWritten < total) await file.writeFile(Buffer.concat(chunks).subarray(bytesWritten))
}

// What the source throws is its own matter; what the disk says is the queue's.
async function asQueueError<Value>(path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const kind = code === 'ENOSPC' || code === 'EDQUOT' ? 'full' : 'failing'
    throw new QueueError(kind, `Cannot store "${path}"`, { cause })
  }
}

async function syncFolder(path: string): Promise<void> {
  await asQueueError(
    path,
    (async () => {
      await using folder = await open(path)
      await folder.sync()
    })(),
  )
}

async function* iterate(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, undefined> {
  yield* source
}
