// A mail server for trials. It takes everything, unless the local part of a recipient asks for
// trouble: `defer2-x@` is greylisted twice, `reject-x@` refused, `slow-x@` answered late,
// `drop-x@` loses the connection before the content, `unknown-x@` right after it.

import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { bindError } from '../base/bind.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { SinkSession } from './session.ts'
import type { SinkEvent, SinkWorld } from './world.ts'

export interface SinkOptions {
  readonly host: string
  readonly port: number
  /** Our name in the greeting. */
  readonly hostname?: string
  /** How long `slow-` waits before the reply to the content. */
  readonly slow?: number
  readonly clock?: Clock
  /** Told of each message that was taken, and of each refusal. */
  readonly report?: (event: SinkEvent) => void
}

export interface Sink extends AsyncDisposable {
  readonly port: number
}

// Greylisting remembers this many addresses; then it forgets all.
const REMEMBERED = 100_000

export async function startSink(options: SinkOptions): Promise<Sink> {
  const world = createWorld(options)
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    new SinkSession(socket, world).begin()
  })
  server.listen(options.port, options.host)
  await once(server, 'listening').catch((cause: Error) => {
    throw bindError(options.host, options.port, cause)
  })
  const { port } = server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: () => close(server, sockets) }
}

function createWorld(options: SinkOptions): SinkWorld {
  const counts = new Map<string, number>()
  return {
    hostname: options.hostname ?? 'sink.example',
    slow: options.slow ?? 2000,
    clock: options.clock ?? systemClock,
    report: options.report ?? (() => {}),
    countOf(address) {
      if (counts.size > REMEMBERED) counts.clear()
      const count = (counts.get(address) ?? 0) + 1
      counts.set(address, count)
      return count
    },
  }
}

async function close(server: Server, sockets: Iterable<Socket>): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  for (const socket of sockets) socket.destroy()
  await closed
}
