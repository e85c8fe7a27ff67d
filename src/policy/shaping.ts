// shaping.yaml: how hard a site may be pressed. For each key, the most specific `mx` pattern of
// a host wins over less specific ones and over the default. A site is a set of hosts without an
// order, so where its hosts differ the strictest value holds.

import type { Domain } from '../mail/address.ts'
import { createIndex, fitting, parseDomainPattern } from './patterns.ts'
import type { Index, Pattern } from './patterns.ts'
import type { At, SiteLimits } from './policy.ts'
import { count, list, map, optional, parsed, refined, rules, truth } from './read.ts'
import type { Reader, ValuesOf } from './read.ts'
import { doubt, fault } from './yaml.ts'
import type { Place } from './yaml.ts'

const KEYS = ['connections', 'messages-per-connection'] as const
type LimitKey = (typeof KEYS)[number]

interface ShapingRule {
  readonly place: Place
  readonly at: At
  /** `undefined`: the default. */
  readonly mx: readonly Pattern[] | undefined
  readonly limits: Readonly<Record<LimitKey, number | undefined>>
}

interface Limit {
  readonly value: number
  readonly at: At
}

/** For each key, the rules that say something about it. */
export type Shaper = Readonly<Record<LimitKey, { index: Index; limits: Limit[]; otherwise: Limit }>>

const BUILT_IN: Record<LimitKey, Limit> = {
  connections: { value: 20, at: 'built-in default' },
  'messages-per-connection': { value: 100, at: 'built-in default' },
}

const TABLE = {
  default: optional(truth, 'true: for every host that no pattern fits'),
  mx: optional(
    list(parsed(parseDomainPattern, "a host name, or '*.' and a domain"), 'mx'),
    'host names of MX hosts and next hops',
  ),
  connections: optional(
    count(1, 5000),
    'the most connections to the site; where nothing is said: 20',
  ),
  'messages-per-connection': optional(
    count(1, 1_000_000),
    'then the connection is closed; where nothing is said: 100',
  ),
} as const

export const shapingRules: Reader<readonly ShapingRule[]> = rules(
  refined(map(TABLE), shapingRule),
  'rule',
)

export function createShaper(rules: readonly ShapingRule[]): Shaper {
  return {
    connections: ofKey(rules, 'connections'),
    'messages-per-connection': ofKey(rules, 'messages-per-connection'),
  }
}

export function limits(shaper: Shaper, hosts: readonly string[]): SiteLimits {
  const connections = strictest(shaper, 'connections', hosts)
  const messages = strictest(shaper, 'messages-per-connection', hosts)
  return {
    connections: connections.value,
    messagesPerConnection: messages.value,
    at: connections.at === messages.at ? connections.at : `${connections.at}, ${messages.at}`,
  }
}

/** A value for the same hosts that stands twice: the second is never used. */
export function reviewShaping(rules: readonly ShapingRule[]): void {
  const seen = new Map<string, At>()
  for (const { mx, limits, place, at } of rules) {
    const names = mx?.map((one) => (one.kind === 'any' ? '*' : `${one.kind} ${one.domain}`))
    for (const key of KEYS.filter((one) => limits[one] !== undefined))
      for (const name of names ?? ['default']) {
        const first = seen.get(`${key} ${name}`)
        if (first === undefined) seen.set(`${key} ${name}`, at)
        else doubt(place, `says "${key}" for the same hosts as ${first}, which comes first`)
      }
  }
}

function shapingRule(value: ValuesOf<typeof TABLE>, place: Place): ShapingRule | undefined {
  const { default: otherwise, mx, ...limits } = value
  if ((otherwise === true) === (mx !== undefined) || otherwise === false)
    return fault(place, 'should have either "default: true" or "mx"')
  if (KEYS.every((key) => limits[key] === undefined))
    return fault(place, `sets nothing, should have ${KEYS.join(' or ')}`)
  return { place, at: place.at, mx, limits }
}

function ofKey(rules: readonly ShapingRule[], key: LimitKey): Shaper[LimitKey] {
  const speaking = rules.filter((rule) => rule.limits[key] !== undefined)
  const limit = (rule: ShapingRule): Limit => ({ value: rule.limits[key]!, at: rule.at })
  const byHost = speaking.filter((rule) => rule.mx !== undefined)
  const otherwise = speaking.find((rule) => rule.mx === undefined)
  return {
    index: createIndex(byHost.map((rule) => rule.mx!)),
    limits: byHost.map(limit),
    otherwise: otherwise === undefined ? BUILT_IN[key] : limit(otherwise),
  }
}

function strictest(shaper: Shaper, key: LimitKey, hosts: readonly string[]): Limit {
  const { index, limits, otherwise } = shaper[key]
  let least: Limit | undefined
  for (const host of hosts) {
    const number = fitting(index, host.toLowerCase() as Domain)[0]?.[0]
    const limit = number === undefined ? otherwise : limits[number]!
    if (least === undefined || limit.value < least.value) least = limit
  }
  return least ?? otherwise
}
