// A destination: where routing sends a recipient. It is written as one text, the name of
// its lane: `far.example` (by MX), or a named next hop: `smarthost.example:587/verified/me`,
// `smarthost.example:2465/implicit-verified`.

import type { Domain } from './address.ts'

export const TLS_LEVELS = ['none', 'opportunistic', 'required', 'verified'] as const
export type TlsLevel = (typeof TLS_LEVELS)[number]

export type Route =
  | { readonly kind: 'mx'; readonly domain: Domain }
  | {
      readonly kind: 'hop'
      /** Looked up by A and AAAA, never MX; or an address. */
      readonly host: string
      readonly port: number
      readonly tls: TlsLevel
      /** TLS from the first byte, or never so; absent: as is usual at this port (see `isImplicit`). */
      readonly implicitTls?: boolean
      readonly user?: string
    }

/** Implicit TLS from the first byte (RFC 8314 3.3): port 465 is for nothing else. */
const SUBMISSIONS = 465

/** TLS begins with the first byte, without STARTTLS, where there is TLS. */
export function isImplicit({
  port,
  implicitTls,
}: {
  port: number
  implicitTls?: boolean
}): boolean {
  return implicitTls ?? port === SUBMISSIONS
}

declare const checked: unique symbol
export type Destination = string & { readonly [checked]: 'destination' }

export function destinationOf(route: Route): Destination {
  if (route.kind === 'mx') return route.domain as string as Destination
  const host = route.host.includes(':') ? `[${route.host}]` : route.host
  const user = route.user === undefined ? '' : `/${encodeURIComponent(route.user)}`
  return `${host}:${route.port}/${beginOf(route)}${route.tls}${user}` as Destination
}

/** Said only where it is unusual, so that what is usual has one name. */
function beginOf(route: Extract<Route, { kind: 'hop' }>): string {
  const implicit = isImplicit(route)
  if (implicit === isImplicit({ port: route.port })) return ''
  return implicit ? 'implicit-' : 'starttls-'
}

/** The route that a destination stands for. */
export function routeOf(destination: Destination): Route {
  const match = /^(.+):(\d+)\/(?:(implicit|starttls)-)?([a-z]+)(?:\/(.+))?$/.exec(destination)
  if (match === null) return { kind: 'mx', domain: destination as string as Domain }
  const [, host = '', port, begin, tls, user] = match
  return {
    kind: 'hop',
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    tls: tls as TlsLevel,
    ...(begin === undefined ? {} : { implicitTls: begin === 'implicit' }),
    ...(user === undefined ? {} : { user: decodeURIComponent(user) }),
  }
}
