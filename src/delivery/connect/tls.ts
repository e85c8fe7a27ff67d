// TLS over an open connection. Opportunistic and required TLS take any certificate, since they
// guard against listeners only (RFC 7435); verified TLS wants one that holds for the host's name.

import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect, createSecureContext } from 'node:tls'
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { KEY_GROUPS, tellTlsError } from '../../base/tls.ts'
import type { TlsFact } from '../../mail/event.ts'
import { systemAuthorities } from './authorities.ts'
import { FailedTls } from './failed-tls.ts'
import type { Target } from '../connection.ts'

/** What connections share: building it costs more than a handshake does. */
export interface TlsContexts {
  readonly any: () => SecureContext
  readonly verified: () => SecureContext
  readonly failed: FailedTls
}

/** `ca`: authorities in PEM that count instead of those of Node and of the system. */
export function createTlsContexts(ca?: readonly string[]): TlsContexts {
  let any: SecureContext | undefined
  let verified: SecureContext | undefined
  return {
    // Without authorities, because nothing is checked and loading them takes time.
    any: () => (any ??= contextOf([])),
    verified: () => (verified ??= ca === undefined ? publicContext() : contextOf(ca)),
    failed: new FailedTls(),
  }
}

function publicContext(): SecureContext {
  try {
    return contextOf(systemAuthorities())
  } catch {
    return contextOf(undefined) // a certificate of the system that cannot be read spoils no mail
  }
}

function contextOf(ca: readonly string[] | undefined): SecureContext {
  return createSecureContext({
    minVersion: 'TLSv1.2', // RFC 9325 3.1.1
    ecdhCurve: KEY_GROUPS,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  })
}

export type Secured =
  | { readonly kind: 'secured'; readonly socket: TLSSocket; readonly fact: TlsFact }
  | { readonly kind: 'failed'; readonly text: string }

/** The handshake as a client, on a socket that nobody else reads any more. */
export function secure(
  socket: Socket,
  target: Target,
  contexts: TlsContexts,
  limit: { readonly clock: Clock; readonly milliseconds: number; readonly signal: AbortSignal },
): Promise<Secured> {
  const { promise, resolve } = Promise.withResolvers<Secured>()
  const tls = connect(handshakeOptions(socket, target, contexts))
  const settle = (secured: Secured): void => {
    cancel()
    limit.signal.removeEventListener('abort', abort)
    if (secured.kind === 'failed') tls.destroy()
    resolve(secured)
  }
  const fail = (text: string): void => settle({ kind: 'failed', text })
  const abort = (): void => fail('stopped')
  const cancel = limit.clock.after(limit.milliseconds, () =>
    fail('no end of the handshake in time'),
  )
  limit.signal.addEventListener('abort', abort, { once: true })
  // These stay after the handshake: an error that nobody hears would end the process.
  socket.on('error', (error) => fail(tellTlsError(error)))
  tls.on('error', (error) => fail(tellTlsError(error)))
  tls.once('close', () => fail('the server closed the connection in the handshake'))
  tls.once('secureConnect', () =>
    settle({ kind: 'secured', socket: tls, fact: factOf(tls, target) }),
  )
  if (limit.signal.aborted) abort()
  return promise
}

function handshakeOptions(
  socket: Socket,
  target: Target,
  contexts: TlsContexts,
): ConnectionOptions {
  const checked = target.tls === 'verified'
  return {
    socket,
    host: target.host,
    // An address is no server name (RFC 6066 3); the certificate is still checked for it.
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
    secureContext: checked ? contexts.verified() : contexts.any(),
    rejectUnauthorized: checked,
  }
}

function factOf(tls: TLSSocket, target: Target): TlsFact {
  return {
    version: tls.getProtocol() ?? 'unknown',
    cipher: tls.getCipher().name,
    verified: target.tls === 'verified',
  }
}
