// relay.yaml: who may send through us. Rules are tried in order, the first that fits decides,
// and if none fits the answer is no: the relay is never open by omission.
//
// A rule with `users` cannot be decided before AUTH. Until then it is pending, and the verdict is
// `authenticate` unless every pending rule on the way would answer the same as the first decided
// one. So a client that a later rule allows need not log in because `allow: { users: … }` stands
// above, but nobody gets around `refuse: { users: … }` by not logging in.

import { matchNetworks, parseNetwork } from '../base/network.ts'
import type { Network } from '../base/network.ts'
import type { At, RelayRequest, RelayVerdict } from './policy.ts'
import { hidden, list, map, optional, parsed, placed, refined, rules } from './read.ts'
import type { Placed, Reader, ValuesOf } from './read.ts'
import { doubt, fault } from './yaml.ts'
import type { Place } from './yaml.ts'
import { userName } from './users.ts'

interface RelayRule {
  readonly action: 'allow' | 'refuse'
  readonly at: At
  readonly place: Place
  readonly clients: readonly Network[] | undefined
  /** `undefined`: fits without AUTH; `'any'`: whoever has logged in. */
  readonly users: 'any' | ReadonlySet<string> | undefined
  /** On a listener that is bound to a loopback address, and on any other. */
  readonly fitsLocally: (client: string) => boolean
  readonly fitsElsewhere: (client: string) => boolean
}

const TERMS = {
  clients: optional(
    list(parsed(network, 'a network such as 192.0.2.0/24 or 2001:db8::/32'), 'clients'),
    'networks, one of which the client is in',
  ),
  users: optional(
    list(placed(parsed(userOrAny, "the name of a user, or '*' for all who logged in"))),
    "users, one of whom has logged in; '*' for any",
  ),
} as const

const FITS = refined(map(TERMS), terms)

const TABLE = {
  allow: optional(FITS, 'lets clients send that fit all these keys'),
  refuse: optional(FITS, 'refuses clients that fit all these keys'),
} as const

export const relayRules: Reader<readonly RelayRule[]> = rules(
  refined(map(TABLE), relayRule),
  'rule',
)

/** Doubts about rules that are sound one by one. */
export function reviewRelay(rules: readonly RelayRule[], users: ReadonlySet<string>): void {
  rules.forEach((rule, index) => {
    const cover = rules.slice(0, index).find((earlier) => hides(earlier, rule))
    if (cover !== undefined) hidden(rule.place, cover.place)
    if (rule.users instanceof Set)
      for (const name of rule.users)
        if (!users.has(name))
          doubt(rule.place, `names the user "${name}", who is not in users.yaml`)
    const everybody = rule.clients?.some((one) => one.prefix === 0) === true
    if (rule.action === 'allow' && everybody && rule.users === undefined)
      doubt(
        rule.place,
        'lets every client relay: this is an open relay unless a firewall guards it',
      )
  })
}

export function mayRelay(rules: readonly RelayRule[], request: RelayRequest): RelayVerdict {
  const pending: RelayRule[] = []
  for (const rule of rules) {
    const fits = request.listenerLoopback ? rule.fitsLocally : rule.fitsElsewhere
    if (!fits(request.client)) continue
    if (rule.users !== undefined && request.user === undefined) pending.push(rule)
    else if (admits(rule, request.user)) return settle(pending, rule)
  }
  return settle(pending, { action: 'refuse', at: 'no rule in relay.yaml fits' })
}

function settle(
  pending: readonly RelayRule[],
  decided: Pick<RelayRule, 'action' | 'at'>,
): RelayVerdict {
  const other = pending.find((rule) => rule.action !== decided.action)
  if (other !== undefined) return { action: 'authenticate', at: other.at }
  return { action: decided.action, at: decided.at }
}

function admits(rule: RelayRule, user: string | undefined): boolean {
  if (rule.users === undefined) return true
  return user !== undefined && (rule.users === 'any' || rule.users.has(user))
}

function relayRule(value: ValuesOf<typeof TABLE>, place: Place): RelayRule | undefined {
  if ((value.allow === undefined) === (value.refuse === undefined))
    return fault(place, 'should have either allow or refuse')
  const action = value.allow === undefined ? 'refuse' : 'allow'
  const { clients, users } = (value.allow ?? value.refuse)!
  const named = { ...place, name: action }
  return { action, at: place.at, place: named, clients, users, ...fitters(action, clients) }
}

type Terms = Pick<RelayRule, 'clients' | 'users'>

// Without keys, a rule would fit everybody: `allow: {}` shall not open the relay.
function terms(value: ValuesOf<typeof TERMS>, place: Place): Terms | undefined {
  if (value.clients === undefined && value.users === undefined)
    return fault(place, 'names neither clients nor users, and so would fit everybody')
  return { clients: value.clients, users: usersOf(value) }
}

function usersOf(value: ValuesOf<typeof TERMS>): Terms['users'] {
  const users: readonly Placed<string>[] | undefined = value.users
  if (users === undefined) return undefined
  return users.some((user) => user.value === '*') ? 'any' : new Set(users.map((user) => user.value))
}

// Behind a proxy on the same host the whole world is 127.0.0.1: so loopback networks allow
// nobody on a listener that others can reach. What they refuse, they refuse everywhere.
function fitters(
  action: RelayRule['action'],
  clients: readonly Network[] | undefined,
): Pick<RelayRule, 'fitsLocally' | 'fitsElsewhere'> {
  if (clients === undefined) return { fitsLocally: () => true, fitsElsewhere: () => true }
  const fitsLocally = matchNetworks(clients)
  if (action === 'refuse') return { fitsLocally, fitsElsewhere: fitsLocally }
  return { fitsLocally, fitsElsewhere: matchNetworks(clients.filter((one) => !isLoopback(one))) }
}

function isLoopback({ address, prefix, family }: Network): boolean {
  if (family === 'ipv4') return address.startsWith('127.') && prefix >= 8
  return prefix === 128 && matchNetworks([LOOPBACK])(address)
}

const LOOPBACK: Network = { text: '::1/128', address: '::1', prefix: 128, family: 'ipv6' }

function network(text: string): Network | undefined {
  const found = parseNetwork(text)
  // Clients are compared as IPv4 where they are: such a network would fit nobody.
  return found?.family === 'ipv6' && /^::ffff:/i.test(found.address) ? undefined : found
}

function userOrAny(text: string): string | undefined {
  return text === '*' ? text : userName(text)
}

function hides(wide: RelayRule, narrow: RelayRule): boolean {
  const sameDoor = wide.action === narrow.action || !wide.clients?.some(isLoopback)
  return sameDoor && holdsUsers(wide.users, narrow.users) && holdsClients(wide, narrow)
}

function holdsUsers(wide: RelayRule['users'], narrow: RelayRule['users']): boolean {
  if (wide === undefined) return true
  if (narrow === undefined) return false
  if (wide === 'any') return true
  return narrow !== 'any' && [...narrow].every((name) => wide.has(name))
}

function holdsClients(wide: RelayRule, narrow: RelayRule): boolean {
  if (wide.clients === undefined) return true
  return narrow.clients?.every((one) => wide.clients!.some((other) => holds(other, one))) === true
}

function holds(wide: Network, narrow: Network): boolean {
  const inside = wide.family === narrow.family && wide.prefix <= narrow.prefix
  return inside && matchNetworks([wide])(narrow.address)
}
