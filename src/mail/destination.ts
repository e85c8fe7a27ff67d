// A destination: where routing sends a recipient. It is written as one text, the name of
// its lane: `far.example` (by MX), or `smarthost.example:587/verified/me` (a named next hop).

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
      readonly user?: string
    }

declare const checked: unique symbol
export type Destination = string & { readonly [checked]: 'destination' }

export function destinationOf(route: Route): Destination {
  if (route.kind === 'mx') return route.domain as string as Destination
  const host = route.host.includes(':') ? `[${route.host}]` : route.host
  const user = route.user === undefined ? '' : `/${encodeURIComponent(route.user)}`
  return `${host}:${route.port}/${route.tls}${user}` as Destination
}

/** The route that a destination stands for. */
export function routeOf(destination: Destination): Route {
  const match = /^(.+):(\d+)\/([a-z]+)(?:\/(.+))?$/.exec(destination)
  if (match === null) return { kind: 'mx', domain: destination as string as Domain }
  const [, host = '', port, tls, user] = match
  return {
    kind: 'hop',
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    tls: tls as TlsLevel,
    ...(user === undefined ? {} : { user: decodeURIComponent(user) }),
  }
}
