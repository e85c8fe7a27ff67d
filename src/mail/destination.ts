// A destination: whither routing sends a recipient, and the name of its lane. It is a name, made here and
// read by nobody: how mail gets there (TLS, a password, which host a name stands for) policy says anew at
// each attempt, so that a change of it moves no mail.

import { parseDomain } from './address.ts'
import type { Domain } from './address.ts'
import type { Route } from './path.ts'

declare const checked: unique symbol
export type Destination = string & { readonly [checked]: 'destination' }

/**
 * `far.example` by MX; a named next hop is `smarthost.example:587`, or `smarthost.example:587/me` where we log
 * in, because whose account it is decides where mail ends up, and a wrong password must stop no other account.
 * @param nth one of several ways that rules name to the same host, port and login, from 1: `…:587#2`
 */
export function destinationOf(route: Route, user?: string, nth = 1): Destination {
  if (route.kind === 'mx') return route.domain as string as Destination
  const host = route.host.includes(':') ? `[${route.host}]` : route.host
  const login = user === undefined ? '' : `/${encodeURIComponent(user)}`
  const number = nth === 1 ? '' : `#${nth}`
  return `${host}:${route.port}${login}${number}` as Destination
}

/** The domain whose MX hosts it stands for; `undefined`: a next hop, which only policy knows. */
export function domainOf(destination: string): Domain | undefined {
  return parseDomain(destination)
}
