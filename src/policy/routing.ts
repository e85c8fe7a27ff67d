// routing.yaml: where the mail for each recipient goes, and on which queue. Rules are tried in
// order and the first that fits decides. It is asked for every recipient: rules stand in an
// index by domain, and what a rule answers for a named next hop is made once.

import { isIP } from 'node:net'
import { parseDomain } from '../mail/address.ts'
import type { Address } from '../mail/address.ts'
import { destinationOf, domainOf } from '../mail/destination.ts'
import type { Destination } from '../mail/destination.ts'
import { byMx, isImplicit, TLS_LEVELS, wayOf } from '../mail/path.ts'
import type { Hop, Path } from '../mail/path.ts'
import { Hops } from './hops.ts'
import {
  coversAll,
  createIndex,
  createMatcher,
  firstOf,
  fitting,
  parsePattern,
} from './patterns.ts'
import type { Index, Pattern } from './patterns.ts'
import type { At, Routing, SignWith } from './policy.ts'
import {
  count,
  either,
  hidden,
  list,
  map,
  oneOf,
  optional,
  parsed,
  placed,
  preset,
} from './read.ts'
import { refined, required, rules, text, truth } from './read.ts'
import type { Placed, Reader, ValuesOf } from './read.ts'
import { readSecret, secretFile, secretName } from './secret.ts'
import type { Environment } from './secret.ts'
import { selector } from './signing.ts'
import { doubt, fault } from './yaml.ts'
import type { Place } from './yaml.ts'

interface Via {
  readonly hop: Hop
  readonly secret: Placed<string> | undefined
}

interface RoutingRule {
  readonly place: Place
  readonly at: At
  readonly to: readonly Pattern[]
  readonly from: readonly Pattern[]
  readonly via: 'mx' | Via
  readonly queue: string
  readonly sign: Placed<'all' | SignWith> | undefined
}

/** Rules ready to be asked. */
export interface Router {
  readonly index: Index
  readonly hops: Hops
  readonly rules: readonly {
    readonly fits: ((sender: Address) => boolean) | undefined
    readonly queue: string
    readonly sign: { readonly sign?: SignWith }
    readonly at: At
    /** The whole answer, for a named next hop. */
    readonly fixed: Routing | undefined
  }[]
}

const PATTERN = parsed(parsePattern, "a domain, '*.' and a domain, an address, or '*'")
const ANY: readonly Pattern[] = [{ kind: 'any' }]

const VIA = {
  host: required(parsed(hopHost, 'a host name or an IP address'), 'the next hop'),
  port: preset(25, count(1, 65_535), 'its port'),
  tls: preset('opportunistic', oneOf(TLS_LEVELS), 'what is asked of its TLS'),
  'implicit-tls': optional(
    truth,
    'true: TLS from the first byte; false: by STARTTLS; without: true at port 465 alone',
  ),
  user: optional(text, 'the name to log in with'),
  'password-env': optional(
    placed(parsed(secretName, 'the name of an environment variable')),
    'the variable that holds the password, or with _FILE added the file that does',
  ),
  'password-without-verification': preset(
    false,
    truth,
    'sends the password also to a server whose certificate was not checked',
  ),
} as const

const NEXT: Reader<RoutingRule['via']> = either(
  'mx, or a map with host',
  oneOf(['mx'], 'mx, or a map with host'),
  refined(map(VIA), viaOf),
)

const SIGN: Reader<'all' | SignWith> = either(
  'all, none, rsa, ed25519, or a list of selectors',
  oneOf(['all', 'none', 'rsa', 'ed25519']),
  list(parsed(selector, 'a selector of signing.yaml'), 'sign'),
)

const table = (queues: ReadonlySet<string>) => ({
  to: preset(ANY, list(PATTERN, 'to'), 'recipients that it is for'),
  from: preset(ANY, list(PATTERN, 'from'), "senders that it is for; only '*' fits <>"),
  via: required(NEXT, 'where it goes next: the MX hosts of its domain, or this host'),
  queue: preset(
    'default',
    knownQueue(queues),
    'the file in queues/ that says how often and how long',
  ),
  sign: optional(placed(SIGN), 'which keys of signing.yaml sign; without: all of the From domain'),
})

/** `queues`: those that there are. */
export function routingRules(queues: ReadonlySet<string>): Reader<readonly RoutingRule[]> {
  const rule = refined(map(table(queues)), (value, place) => ({ place, at: place.at, ...value }))
  return rules(rule, 'rule')
}

/** Selectors that no key has: mail would leave unsigned because of a slip. */
export function reviewSelectors(rules: readonly RoutingRule[], known: ReadonlySet<string>): void {
  for (const { sign } of rules) {
    if (sign === undefined || typeof sign.value === 'string') continue
    const unknown = sign.value.find((name) => !known.has(name))
    if (unknown !== undefined)
      fault(sign.place, `names "${unknown}", but no key in signing.yaml has that selector`)
  }
}

/** Doubts about rules that are sound one by one. */
export function reviewRouting(rules: readonly RoutingRule[]): void {
  const router = createRouter(rules)
  rules.forEach((rule, number) => {
    const cover = firstOf(
      candidates(router.index, rule.to[0]!),
      (earlier) => earlier < number && hides(rules[earlier]!, rule),
    )
    if (cover !== undefined && cover < number) hidden(rule.place, rules[cover]!.place)
  })
}

export function createRouter(rules: readonly RoutingRule[]): Router {
  const hops = new Hops(rules.flatMap(({ via }) => (via === 'mx' ? [] : [via.hop])))
  return {
    index: createIndex(rules.map((rule) => rule.to)),
    hops,
    rules: rules.map(({ from, via, queue, sign: wish, at }) => {
      const fits = from.some((one) => one.kind === 'any') ? undefined : createMatcher(from)
      const sign = wish === undefined || wish.value === 'all' ? {} : { sign: wish.value }
      const fixed =
        via === 'mx' ? undefined : { destination: hops.destination(via.hop), queue, at, ...sign }
      return { fits, queue, sign, at, fixed }
    }),
  }
}

export function route(
  { index, rules }: Router,
  recipient: Address,
  sender: Address | undefined,
): Routing | undefined {
  const first = firstOf(fitting(index, recipient.domain, recipient), (number) => {
    const { fits } = rules[number]!
    return fits === undefined || (sender !== undefined && fits(sender))
  })
  if (first === undefined) return undefined
  const { fixed, queue, sign, at } = rules[first]!
  if (fixed !== undefined) return fixed
  const destination = destinationOf({ kind: 'mx', domain: recipient.domain })
  return { destination, queue, ...sign, at }
}

/** How mail gets there now; `undefined`: it is a next hop that no rule names any more. */
export function path({ hops }: Router, destination: Destination): Path | undefined {
  const named = hops.path(destination)
  if (named !== undefined) return named
  const domain = domainOf(destination)
  return domain === undefined ? undefined : byMx(domain)
}

/** The passwords of next hops by the name of their variable, and the files that they came from. */
export async function readSecrets(
  rules: readonly RoutingRule[],
  env: Environment,
): Promise<{ secrets: Map<string, string>; files: string[] }> {
  const secrets = new Map<string, string>()
  const byWay = new Map<string, string>()
  const files: string[] = []
  for (const { via } of rules) {
    if (via === 'mx' || via.secret === undefined) continue
    const { value: name, place } = via.secret
    const file = secretFile(name, env)
    if (file) files.push(file)
    const password = await readSecret(name, env, place)
    if (password === undefined) continue
    const way = wayOf(via.hop)
    if ((byWay.get(way) ?? password) !== password)
      fault(place, 'gives the same user at the same host another password than a rule above')
    byWay.set(way, password)
    secrets.set(name, password)
  }
  return { secrets, files }
}

function knownQueue(queues: ReadonlySet<string>): Reader<string> {
  return refined(text, (name, place) =>
    queues.has(name)
      ? name
      : fault(place, `is "${name}", but there is no file queues/${name}.yaml`),
  )
}

function viaOf(value: ValuesOf<typeof VIA>, place: Place): Via | undefined {
  if (!isGuarded(place, value)) return undefined
  const { host, port, tls, 'implicit-tls': implicit } = value
  if (implicit === true && tls === 'none')
    return fault(place, 'has implicit-tls: true and tls: none, should be tls: required or verified')
  // What is usual at the port is not said again: it is one destination.
  const usual = implicit === undefined || tls === 'none' || implicit === isImplicit({ port })
  const begin = usual ? {} : { implicitTls: implicit }
  const hop: Hop = { route: { kind: 'hop', host, port }, tls, ...begin, ...loginOf(value) }
  return { hop, secret: value['password-env'] }
}

function loginOf(value: ValuesOf<typeof VIA>): Pick<Hop, 'login'> {
  const { user, tls, 'password-env': secret, 'password-without-verification': careless } = value
  if (user === undefined || secret === undefined) return {}
  const waived = careless && tls !== 'verified' ? { withoutVerification: true } : {}
  return { login: { user, secret: secret.value, ...waived } }
}

// Whoever can answer for the name of a host gets the password, unless its certificate is checked.
function isGuarded(place: Place, value: ValuesOf<typeof VIA>): boolean {
  const { user, tls, 'password-env': secret, 'password-without-verification': careless } = value
  if ((user === undefined) !== (secret === undefined)) {
    const missing = user === undefined ? 'user' : 'password-env'
    fault(place, `has no "${missing}": user and password-env go together`)
    return false
  }
  if (careless && (user === undefined || tls === 'verified'))
    doubt(place, 'needs no "password-without-verification"')
  if (user === undefined || tls === 'verified' || careless) return true
  fault(
    place,
    `would send a password over tls: ${tls}, should be tls: verified, or say password-without-verification: true`,
  )
  return false
}

function hopHost(text: string): string | undefined {
  if (isIP(text) !== 0) return text.toLowerCase()
  return text.startsWith('[') ? undefined : parseDomain(text)
}

function hides(wide: RoutingRule, narrow: RoutingRule): boolean {
  return coversAll(wide.to, narrow.to) && coversAll(wide.from, narrow.from)
}

// Rules whose patterns might cover this one, so that long files are not compared pair by pair.
function candidates(index: Index, pattern: Pattern): readonly (readonly number[])[] {
  if (pattern.kind === 'any') return [index.any]
  const lists = fitting(index, pattern.domain)
  const own = pattern.kind === 'below' ? index.below.get(pattern.domain) : undefined
  const same = pattern.kind === 'address' ? index.addresses.get(pattern.address) : undefined
  return [...lists, own ?? [], same ?? []]
}
