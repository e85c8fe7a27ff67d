// The way to a destination, as policy answers it anew at each attempt: hops in order of preference, each with
// whither it leads and what must be true of a connection before mail goes over it.

import type { Domain } from './address.ts'

export const TLS_LEVELS = ['none', 'opportunistic', 'required', 'verified'] as const
export type TlsLevel = (typeof TLS_LEVELS)[number]

/** Whither: to the hosts that the domain's MX records name, or to one host that an operator named. */
export type Route =
  | { readonly kind: 'mx'; readonly domain: Domain }
  | {
      readonly kind: 'hop'
      /** Looked up by A and AAAA, never MX; or an address. */
      readonly host: string
      readonly port: number
    }

/** As whom we log in, and where the password is; never the password. */
export interface Login {
  readonly user: string
  /** The environment variable of `password-env`. */
  readonly secret: string
  /** The rule says `password-without-verification`; else it goes out over verified TLS only. */
  readonly withoutVerification?: boolean
}

/** What must be true of a connection: see `fits`. */
export interface Requirement {
  readonly tls: TlsLevel
  readonly login?: Login
  /** The local address to call from; absent: the one that the system chooses. */
  readonly source?: string
}

export interface Hop extends Requirement {
  readonly route: Route
  /** TLS from the first byte, or never so; absent: as is usual at this port (see `isImplicit`). */
  readonly implicitTls?: boolean
}

export type Path = readonly [Hop, ...Hop[]]

/** What mail by MX asks for where nobody asks for more. */
export function byMx(domain: Domain): Path {
  return [{ route: { kind: 'mx', domain }, tls: 'opportunistic' }]
}

/**
 * The same for hops that mail reaches alike: whither, with which login, TLS and source. All domains by MX
 * are one here, because their site tells them apart. What a password is, and where it stands, is no part of it.
 */
export function wayOf({ route, implicitTls, tls, login, source = '' }: Hop): string {
  const to = route.kind === 'mx' ? '' : `${route.host}:${route.port}`
  const begin = implicitTls === undefined ? '' : implicitTls ? 'implicit' : 'starttls'
  const careless = login?.withoutVerification === true ? 'unverified' : ''
  return [to, begin, tls, source, careless, login?.user ?? ''].join('\n')
}

/** Implicit TLS from the first byte (RFC 8314 3.3): port 465 is for nothing else. */
const SUBMISSIONS = 465

/** TLS begins with the first byte, without STARTTLS, where there is TLS. */
export function isImplicit({
  port,
  implicitTls,
}: {
  readonly port: number
  readonly implicitTls?: boolean
}): boolean {
  return implicitTls ?? port === SUBMISSIONS
}
