// The control socket of a running relay: `control.sock` in the data folder, for its owner alone.
// The command line reads and steers the queue over it.

import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import type { RefusedMail } from '../../events/refused-mail.ts'
import type { QueueControl } from '../../queue/port/control.ts'
import { SOCKET_NAME, socketPath } from './socket.ts'
import { REQUEST_LIMIT, readLines, type Answer, type Request } from './wire.ts'

export interface ControlOptions {
  /** The data folder. */
  readonly folder: string
  readonly queue: QueueControl
  /** What was refused of late. */
  readonly refused?: Pick<RefusedMail, 'find'>
}

const CONNECTIONS = 64
/** Refusals that one answer has. */
const ANSWERED = 50
const IDLE = 10 * 60_000

/** The relay holds the data folder's lock by now, so a socket that is there was left by a dead one. */
export async function startControl(options: ControlOptions): Promise<AsyncDisposable> {
  using path = socketPath(options.folder)
  await rm(path.text, { force: true })
  const methods = methodsOf(options)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(socket, new Map([...methods, ['keepContent', keeperOf(socket, options)]]))
  })
  server.maxConnections = CONNECTIONS
  await listen(server, path.text)
  return { [Symbol.asyncDispose]: () => close(server, sockets, join(options.folder, SOCKET_NAME)) }
}

// The socket is made inside `listen`, so it never exists with wider rights than these.
async function listen(server: Server, path: string): Promise<void> {
  const mask = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(mask)
  }
  await once(server, 'listening')
  await chmod(path, 0o600)
}

async function close(server: Server, sockets: Iterable<Socket>, path: string): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  for (const socket of sockets) socket.destroy()
  await closed
  await rm(path, { force: true })
}

type Method = (...given: never[]) => Promise<unknown>

/** What may be called; the arguments are what our own client sends, from the same user. */
function methodsOf({ queue, refused }: ControlOptions): ReadonlyMap<string, Method> {
  const methods = {
    find: queue.find.bind(queue),
    counts: queue.counts.bind(queue),
    oldest: queue.oldest.bind(queue),
    trace: queue.trace.bind(queue),
    changes: queue.changes.bind(queue),
    suspensions: queue.suspensions.bind(queue),
    holds: queue.holds.bind(queue),
    steer: queue.steer.bind(queue),
    hold: queue.hold.bind(queue),
    unhold: queue.unhold.bind(queue),
    refused: async (address: string) => refused?.find(address).slice(0, ANSWERED) ?? [],
    engine: queue.engine.bind(queue),
    processes: queue.processes.bind(queue),
  }
  return new Map<string, Method>(Object.entries(methods))
}

/** Keeps content for whoever copies the store, for as long as he is there. */
function keeperOf(socket: Socket, { queue }: ControlOptions): Method {
  return async () => {
    const kept = await queue.keepContent?.()
    const letGo = async (): Promise<void> => {
      await Promise.resolve(kept?.[Symbol.asyncDispose]()).catch(() => {}) // or the next start sweeps it
    }
    if (socket.destroyed) return letGo()
    socket.setTimeout(0) // He has nothing to ask while he copies.
    socket.once('close', () => void letGo())
  }
}

function serve(socket: Socket, methods: ReadonlyMap<string, Method>): void {
  socket.setTimeout(IDLE, () => socket.destroy())
  socket.on('error', () => {}) // The command was interrupted: nobody is there to be told.
  readLines(socket, REQUEST_LIMIT, (value) => {
    if (!isRequest(value)) return void socket.destroy()
    void answer(methods, value).then((line) => {
      if (socket.writable) socket.write(JSON.stringify(line) + '\n')
    })
  })
}

function isRequest(value: unknown): value is Request {
  const { n, method, arguments: given } = (value ?? {}) as Partial<Record<keyof Request, unknown>>
  return typeof n === 'number' && typeof method === 'string' && Array.isArray(given)
}

async function answer(methods: ReadonlyMap<string, Method>, request: Request): Promise<Answer> {
  const method = methods.get(request.method)
  if (method === undefined)
    return {
      n: request.n,
      error: `"${request.method}" is unknown to this relay, which may be older`,
    }
  try {
    const given = request.arguments.map((each) => each ?? undefined) // JSON has null only
    const result = await method(...(given as never[]))
    return { n: request.n, result: result ?? null }
  } catch (error) {
    return { n: request.n, error: error instanceof Error ? error.message : String(error) }
  }
}
