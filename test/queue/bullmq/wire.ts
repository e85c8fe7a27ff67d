// The wire between a relay and Redis, which can be cut at the worst moment: the server has got a step and
// has done it, and its answer never arrives.

import { connect, createServer, type Socket } from 'node:net'

import { expect } from 'vitest'

import type { Queue } from '../../../src/queue/port/queue.ts'
import { freePort } from '../../peers/patience.ts'
import type { RedisServer } from '../../peers/redis.ts'
import { whenBack } from './world.ts'

export interface Wire extends AsyncDisposable {
  readonly url: string
  /** The connection that sends this word next is cut when the server has got it; none is made until `mend`. */
  loseAnswerTo(word: string): void
  isCut(): boolean
  mend(): void
}

export async function startWire({ port }: RedisServer): Promise<Wire> {
  const open = new Set<Socket>()
  let losing: string | undefined
  let broken = false
  const wire = createServer((near) => {
    if (broken) return void near.destroy()
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => {}).on('close', () => open.delete(socket))
    }
    near.on('close', () => far.end()).on('end', () => far.end())
    far.on('close', () => near.destroy())
    far.on('data', (bytes) => near.write(bytes))
    near.on('data', (bytes) => {
      far.write(bytes)
      if (losing === undefined || !bytes.includes(losing)) return
      losing = undefined
      broken = true
      // What was written is read by the server before the end of it.
      near.destroy()
    })
  })
  const own = await freePort()
  await new Promise<void>((resolve) => wire.listen(own, '127.0.0.1', resolve))
  return {
    url: `redis://127.0.0.1:${own}/0`,
    loseAnswerTo: (word) => void (losing = word),
    isCut: () => broken,
    mend: () => void (broken = false),
    async [Symbol.asyncDispose]() {
      wire.close()
      for (const socket of open) socket.destroy()
    },
  }
}

/** The connection ends with the answer to what sends this word; resolves when another is there. */
export async function lose(
  wire: Wire,
  queue: Queue,
  word: string,
  ask: () => Promise<unknown>,
): Promise<void> {
  wire.loseAnswerTo(word)
  await expect(ask()).rejects.toMatchObject({ name: 'QueueError', kind: 'failing' })
  wire.mend()
  await whenBack(queue)
}
