// Where mail comes in: one bound port. Started with everything it needs; closed by letting the
// transactions under way finish.

import { createSecureContext } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { Cancel, Clock } from '../base/clock.ts'
import type { Address } from '../mail/address.ts'
import type { Report } from '../mail/event.ts'
import type { Policy } from '../policy/policy.ts'
import type { Verify } from './door/login-throttle.ts'
import type { Intake } from '../queue/port/intake.ts'
import type { Scheme } from './dialogue/client.ts'
import type { Certificate } from './session/server.ts'
import { bindError } from '../base/bind.ts'
import { isLoopback } from '../base/network.ts'
import { Repeat } from '../base/repeat.ts'
import { Door } from './door/door.ts'
import { LoginThrottle } from './door/login-throttle.ts'
import { RelayServer } from './session/server.ts'
import { Tally } from './door/tally.ts'
import { Turns } from './door/turns.ts'

export interface ListenerOptions {
  /** `submission`: TLS and AUTH before MAIL; `submissions`: the same, with TLS from the first byte. */
  readonly scheme: Scheme
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** How we call ourselves. */
  readonly hostname: string
  /** Where `<Postmaster>` goes. */
  readonly postmaster: Address
  readonly policy: () => Policy
  readonly queue: Intake
  readonly report: Report
  readonly clock: Clock
  readonly tls?: () => Certificate | undefined
  /** STARTTLS is offered where only this machine can connect, too. */
  readonly startTls?: boolean
  readonly verifyPassword: Verify
  /** One for all listeners of a process: it bounds hashing and counts failures. */
  readonly throttle?: LoginThrottle
  /** One for all listeners too: it counts who is in. */
  readonly door?: Door
  /** And one, for all that one thread reads. */
  readonly turns?: Turns
}

export interface Listener extends AsyncDisposable {
  readonly scheme: Scheme
  /** As bound. */
  readonly address: { readonly host: string; readonly port: number }
  /** For connections from now on. Throws, and changes nothing, when the two do not fit. */
  updateTls(key: string | Buffer, cert: string | Buffer): void
  /** Takes no new mail, lets transactions finish until the deadline, then ends them. */
  close(deadlineMilliseconds: number): Promise<void>
}

/** How exactly deadlines are kept, in milliseconds. */
const SLOWEST_SWEEP = 1000
const FASTEST_SWEEP = 20

export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { scheme, host, port, clock, policy } = options
  let certificate = options.tls?.()
  if (scheme !== 'smtp' && certificate === undefined)
    throw new Error(
      `Cannot listen on "${scheme}://${host}:${port}": no certificate and key are set`,
    )
  const throttle = options.throttle ?? new LoginThrottle(clock, options.verifyPassword)
  const door = options.door ?? new Door(() => policy().listen, clock)
  const turns = options.turns ?? new Turns()
  const tally = new Tally()
  // Programs on this machine take STARTTLS unasked, and our name is not that of 127.0.0.1.
  const offered = (): boolean => scheme !== 'smtp' || !parts.loopback || options.startTls === true
  const hasTls = (): boolean => certificate !== undefined && offered()
  const parts = { ...options, throttle, door, turns, tally, loopback: false, hasTls }
  const server = new RelayServer(parts, certificate)
  const bound = await bind(server, host, port)
  parts.loopback = isLoopback(bound.address)
  const stopSweep = startSweep(server, tally, clock, policy)
  let closing: Promise<void> | undefined
  const close = (deadline: number): Promise<void> => {
    closing ??= closeServer(server, clock, deadline).finally(stopSweep)
    return closing
  }
  return {
    scheme,
    address: { host: bound.address, port: bound.port },
    updateTls(key, cert) {
      createSecureContext({ key, cert })
      certificate = { key, cert }
      server.updateSecureContext(certificate)
    },
    close,
    [Symbol.asyncDispose]: () => close(0),
  }
}

function bind(server: RelayServer, host: string, port: number): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>()
  const fail = (cause: Error): void => reject(bindError(host, port, cause))
  server.server.once('error', fail)
  server.server.listen({ host, port, backlog: 1024 }, () => {
    server.server.removeListener('error', fail)
    resolve(server.server.address() as AddressInfo)
  })
  return promise
}

// One timer for the deadlines of all sessions.
function startSweep(server: RelayServer, tally: Tally, clock: Clock, policy: () => Policy): Cancel {
  const round = (): void => {
    const now = clock.now()
    for (const session of server.sessions) session.expire(now)
    tally.look(now)
  }
  const repeat = new Repeat({ clock, every: () => pauseOf(policy()), round })
  return () => {
    void repeat.stop()
    tally.flush()
  }
}

function pauseOf({ listen: { deadlines } }: Policy): number {
  const shortest = Math.min(...Object.values(deadlines))
  return Math.min(Math.max(shortest / 4, FASTEST_SWEEP), SLOWEST_SWEEP)
}

async function closeServer(server: RelayServer, clock: Clock, deadline: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.server.close(() => resolve())
  for (const socket of server._pendingSockets.values()) socket.destroy()
  for (const session of server.sessions) session.drain()
  const cancel = clock.after(deadline, () => {
    for (const session of server.sessions) session.end()
  })
  await promise
  cancel()
}
