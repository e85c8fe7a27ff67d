// smtp-server's server with our sessions: certificates and the wrapping of TLS are its own, who
// may come in and what happens then are ours.

import { SMTPServer } from 'smtp-server'
import type { Socket } from 'node:net'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { Door, Place } from '../door/door.ts'
import type { Say } from '../door/tally.ts'
import type { SessionParts } from './session.ts'
import { networkOf, unmap } from '../../base/network.ts'
import { refusedEvent } from '../../submit/events.ts'
import { textOf } from '../words/reply.ts'
import { Session, UNREAD } from './session.ts'
import { handshakeTrouble } from './handshake.ts'

export interface Certificate {
  readonly key: string | Buffer
  readonly cert: string | Buffer
}

/** How long a client that was turned away may take to read why. */
const TURNED_AWAY = 2000

export interface ServerParts extends SessionParts {
  readonly door: Door
}

export class RelayServer extends SMTPServer {
  readonly sessions = new Set<Session>()
  readonly #parts: ServerParts
  /** Of sockets that have not reached their session. */
  readonly #places = new WeakMap<Socket, Place>()
  #count = 0

  constructor(parts: ServerParts, certificate: Certificate | undefined) {
    super({
      ...certificate,
      secure: parts.scheme === 'submissions',
      minVersion: 'TLSv1.2',
      socketTimeout: parts.policy().listen.deadlines.command, // of the TLS handshake
      logger: false,
      name: parts.hostname, // or it would ask the system for each connection
      // A client that closes its side after the final dot still gets its reply.
      allowHalfOpen: true,
      noDelay: true,
      highWaterMark: UNREAD,
    })
    this.#parts = parts
    // A port that cannot be opened is told by who opens it.
    this.on('error', (error: Error) => this.server.listening && this.#note(error))
  }

  override connect(socket: Socket, options?: SMTPConnectionOptions | null): void {
    // Named here, what is not used is not asked of the kernel.
    const known = { ...options, localAddress: '0.0.0.0', localPort: 1, remotePort: 1 }
    const place = this.#places.get(socket)
    const session: Session = new Session(this, socket, known, this.#parts, () => {
      this.sessions.delete(session)
      place?.leave()
    })
    this.sessions.add(session)
    this.connections.add(session)
    session.init()
  }

  // The first that a new socket meets, before the TLS handshake where there is one.
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const client = unmap(socket.remoteAddress ?? '')
    const { door, policy, loopback: listenerLoopback } = this.#parts
    const { action } = policy().mayRelay({ client, listenerLoopback })
    const place = door.enter(client, action === 'allow')
    if (typeof place === 'string') {
      this.#turnAway(socket, client, place, handshake)
      return false
    }
    // Its session gives the place back; under a handshake the socket is another by then.
    if (handshake) socket.once('close', () => place.leave())
    else this.#places.set(socket, place)
    return handshake ? super._acceptSocket(socket, handshake) : () => {}
  }

  // We take no PROXY header yet; smtp-server would draw a random id and wait a turn.
  override _handleProxy(
    _socket: Socket,
    callback: (error: Error | null, options?: { id: string }) => void,
  ): void {
    callback(null, { id: String(++this.#count) })
  }

  #turnAway(socket: Socket, client: string, reply: string, handshake: boolean): void {
    this.#tell(client, (times) => {
      const at = this.#parts.clock.now()
      const event = refusedEvent({ at, client, command: 'connect', reply: textOf(reply) })
      this.#parts.report(times === 1 ? event : { ...event, times })
    })
    socket.on('error', () => {})
    if (handshake) return void socket.destroy() // nothing can be said before TLS
    socket.end(reply, 'latin1')
    socket.resume()
    socket.setTimeout(TURNED_AWAY, () => socket.destroy())
  }

  #note(error: Error & { meta?: { remoteAddress?: string } }): void {
    const client = unmap(error.meta?.remoteAddress ?? '')
    this.#tell(client, (times) => {
      const at = this.#parts.clock.now()
      this.#parts.report({ kind: 'note', at, ...handshakeTrouble(client, error, times) })
    })
  }

  #tell(client: string, say: Say): void {
    this.#parts.tally.add(networkOf(client), this.#parts.clock.now(), say)
  }
}
