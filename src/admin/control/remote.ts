// The command line's side of the control socket: the running relay's queue, as far as admins
// need it.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Refused } from '../../events/refused-mail.ts'
import type { QueueControl } from '../../queue/port/control.ts'
import { socketPath } from './socket.ts'
import { ANSWER_LIMIT, readLines, type Answer } from './wire.ts'

/** `undefined` when no relay runs on this data folder. */
export async function openControl(folder: string): Promise<RelayControl | undefined> {
  using path = socketPath(folder)
  const socket = connect(path.text)
  try {
    await once(socket, 'connect')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    throw error
  }
  return remoteOf(new Calls(socket))
}

/** A running relay: its queue, and what it alone knows. */
export interface RelayControl extends QueueControl {
  /** Refusals of late that name this address, the newest first. */
  refused(address: string): Promise<readonly Refused[]>
}

function remoteOf(calls: Calls): RelayControl {
  const call =
    <Method extends Exclude<keyof QueueControl, symbol | 'keepContent'>>(method: Method) =>
    (...given: Parameters<QueueControl[Method]>): ReturnType<QueueControl[Method]> =>
      calls.ask(method, given) as ReturnType<QueueControl[Method]>
  return {
    find: call('find'),
    counts: call('counts'),
    oldest: call('oldest'),
    trace: async (id) => (await call('trace')(id)) ?? undefined, // JSON has null only
    changes: call('changes'),
    suspensions: call('suspensions'),
    holds: call('holds'),
    steer: call('steer'),
    hold: call('hold'),
    unhold: call('unhold'),
    // A relay that is older knows no such question.
    refused: (address) =>
      calls.ask('refused', [address]).catch(() => []) as Promise<readonly Refused[]>,
    keepContent: () => calls.keepContent(),
    engine: call('engine'),
    processes: call('processes'),
    [Symbol.asyncDispose]: () => calls.close(),
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

// An act on a great many takes minutes; longer than this nothing takes.
const SILENCE = 30 * 60_000

class Calls {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #n = 0

  constructor(socket: Socket) {
    this.#socket = socket
    readLines(socket, ANSWER_LIMIT, (value) => this.#take(value as Answer))
    socket.setTimeout(SILENCE, () => socket.destroy())
    socket.on('error', () => {}) // 'close' follows, and tells whoever waits
    socket.on('close', () => this.#fail(new Error('The relay stopped before it answered')))
  }

  ask(method: string, given: unknown[]): Promise<unknown> {
    const n = ++this.#n
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(n, { resolve, reject })
    if (this.#socket.destroyed) this.#fail(new Error('The relay has stopped'))
    else this.#socket.write(JSON.stringify({ n, method, arguments: given }) + '\n')
    return promise
  }

  /** For as long as the connection stays open. */
  async keepContent(): Promise<AsyncDisposable> {
    this.#socket.setTimeout(0)
    await this.ask('keepContent', [])
    return { [Symbol.asyncDispose]: () => this.close() }
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return
    const closed = once(this.#socket, 'close')
    this.#socket.destroy()
    await closed
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.n)
    this.#waiting.delete(answer.n)
    if ('error' in answer) waiting?.reject(new Error(answer.error))
    else waiting?.resolve(answer.result)
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
