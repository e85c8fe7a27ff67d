// From a route to the hosts that take its mail, in the order in which they are tried, and from a
// host to its addresses (RFC 5321 5.1, RFC 7505). What leads back to us, or
// where mail of strangers must not lead, counts as absent.

import { createHash } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { enumerate } from '../../base/clip.ts'
import { reached } from '../../base/network.ts'
import type { Answer } from '../../dns/answer.ts'
import type { Resolver } from '../../dns/resolver.ts'
import type { SystemLookup } from '../../dns/system.ts'
import { literalAddress, parseDomain } from '../../mail/address.ts'
import type { Domain } from '../../mail/address.ts'
import type { Route } from '../../mail/path.ts'
import type { Addresses, Found as Finding, Host, NameFinding, Resolved } from '../connection.ts'

export interface MxOptions {
  readonly resolver: Resolver
  /** Asked for named next hops that name servers do not know; absent: nobody is. */
  readonly system?: SystemLookup
  /** Host names by which mail would come back to us. */
  readonly ownNames: readonly string[]
  readonly ownAddresses: readonly string[]
  /** Addresses that only a named next hop may lead to; see guard.ts. */
  readonly refuse: (address: string) => boolean
  /** From 0 up to 1. */
  readonly chance: () => number
}

/** The lookups of delivery. */
export interface Mx {
  resolve(route: Route): Promise<Resolved>
  addresses(host: Host, route: Route): Promise<Addresses>
}

/** Nobody needs more; a list without end would have us look up names without end. */
const HOSTS = 20
const SITE_LENGTH = 200
/** Of hosts, and of the addresses of each, that a sentence names: it is stored for each recipient. */
const SHOWN = 5

export function createMx(options: MxOptions): Mx {
  const search = new Search(options)
  return {
    resolve: (route) => (route.kind === 'mx' ? search.domain(route.domain) : search.hop(route)),
    addresses: (host, route) => search.addresses(host, route),
  }
}

/** What the names of a host told. */
type Found =
  | {
      readonly kind: 'addresses'
      readonly addresses: readonly string[]
      /** How many there are beside these. */
      readonly more: number
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'trouble'; readonly reason: string }

class Search {
  readonly #options: MxOptions
  readonly #ownNames: ReadonlySet<string>
  readonly #ownAddresses: ReadonlySet<string>

  constructor(options: MxOptions) {
    this.#options = options
    this.#ownNames = new Set(options.ownNames.map((name) => parseDomain(name) ?? name))
    this.#ownAddresses = new Set(options.ownAddresses.map(reached))
  }

  hop(route: Route & { kind: 'hop' }): Promise<Resolved> {
    const host = { name: route.host, preference: 0 }
    return Promise.resolve({ kind: 'hosts', site: `${route.host}:${route.port}`, hosts: [host] })
  }

  async domain(domain: Domain): Promise<Resolved> {
    const literal = literalAddress(domain)
    if (literal !== undefined) return this.#choose(domain, [{ name: literal, preference: 0 }])
    const answer = await this.#options.resolver.query('MX', domain)
    switch (answer.kind) {
      case 'trouble':
        return failed('trouble', `Looking up the MX of ${domain} failed: ${answer.reason}`)
      case 'no name':
        return failed('no domain', `The domain ${domain} does not exist`)
      case 'no data':
        return this.#implicit(domain)
      case 'records':
        return this.#explicit(domain, answer)
    }
  }

  /** Without MX the domain itself is the host (RFC 5321 5.1). */
  async #implicit(domain: Domain): Promise<Resolved> {
    const found = await this.#lookUp(domain)
    if (found.kind === 'none')
      return failed('no host', `The domain ${domain} has no MX, A or AAAA record`)
    return this.#choose(domain, [{ name: domain, preference: 0 }])
  }

  #explicit(
    domain: Domain,
    answer: Answer<'MX'> & { kind: 'records' },
  ): Promise<Resolved> | Resolved {
    const { records, more } = answer
    const named = records.filter(({ exchange }) => exchange !== '')
    if (named.length === 0) {
      // The same record twice is one (RFC 2181 5).
      if (more === 0 && records.every(({ preference }) => preference === 0))
        return failed('null mx', `The domain ${domain} takes no mail (null MX)`)
      const text = `The MX of ${domain} is no host and, with a preference, no null MX (RFC 7505)`
      return failed('trouble', text)
    }
    const hosts = this.#inOrder(
      named.map(({ preference, exchange }) => ({ preference, name: exchange })),
    )
    return this.#choose(
      domain,
      hosts.filter(({ name }) => parseDomain(name) === name),
    )
  }

  /** By preference, equal ones in an order of chance, each name once. */
  #inOrder(hosts: readonly Host[]): Host[] {
    const seen = new Set<string>()
    return shuffle(hosts, this.#options.chance)
      .sort((one, other) => one.preference - other.preference)
      .filter(({ name }) => !seen.has(name) && seen.add(name))
  }

  // Our own name counts wherever it stands; for our addresses only hosts are looked up that are tried.
  async #choose(domain: Domain, all: readonly Host[]): Promise<Resolved> {
    const hosts = all.slice(0, HOSTS)
    const found = await Promise.all(hosts.map(({ name }) => this.#lookUp(name)))
    const own = all.find(({ name }, n) => this.#ownNames.has(name) || this.#isOwn(found[n]))
    const limit = own?.preference ?? Infinity
    const reachable = hosts.filter((host, n) => host.preference < limit && this.#leads(found[n]!))
    if (reachable.length > 0) return { kind: 'hosts', site: siteOf(hosts), hosts: reachable }
    if (own !== undefined)
      return failed('loop', `Mail for ${domain} leads back to this relay (${own.name})`)
    return this.#nowhere(domain, hosts, found)
  }

  #isOwn(found: Found | undefined): boolean {
    return (
      found?.kind === 'addresses' &&
      found.addresses.some((one) => this.#ownAddresses.has(reached(one)))
    )
  }

  /** There is an address that may be called, or there may be one. */
  #leads(found: Found): boolean {
    if (found.kind !== 'addresses') return found.kind === 'trouble'
    return found.addresses.some((address) => !this.#options.refuse(address))
  }

  #nowhere(domain: Domain, hosts: readonly Host[], found: readonly Found[]): Resolved {
    const guarded = hosts.flatMap((host, n) => {
      const one = found[n]!
      return one.kind === 'addresses' ? [`${host.name} [${listed(one)}]`] : []
    })
    if (guarded.length === 0) return failed('no address', `No MX host of ${domain} has an address`)
    const list = enumerate(guarded, SHOWN)
    return failed(
      'guarded',
      `Mail for ${domain} leads only where this relay does not call: ${list}`,
    )
  }

  async addresses(host: Host, route: Route): Promise<Addresses> {
    const found = await (route.kind === 'hop'
      ? this.#lookUpHop(host.name)
      : this.#lookUp(host.name))
    if (found.kind === 'trouble')
      return failed('trouble', `Looking up the addresses of ${host.name} failed: ${found.reason}`)
    if (found.kind === 'none') {
      const finding = route.kind === 'hop' ? 'no hop' : 'no address'
      return failed(finding, `The host ${host.name} has no address`)
    }
    const allowed = found.addresses.filter(
      (one) => route.kind === 'hop' || !this.#options.refuse(one),
    )
    if (allowed.length > 0) return { kind: 'addresses', addresses: this.#inTurn(allowed) }
    const text = `${host.name} has only addresses that this relay does not call: ${listed(found)}`
    return failed('guarded', text)
  }

  // IPv4 first: large receivers refuse IPv6 callers for good whose reverse names are not in order.
  #inTurn(addresses: readonly string[]): string[] {
    const mixed = shuffle(addresses, this.#options.chance)
    return [...mixed.filter((one) => isIPv4(one)), ...mixed.filter((one) => !isIPv4(one))]
  }

  // An operator who names a host means what the machine means by it: its hosts file, its search domain.
  async #lookUpHop(name: string): Promise<Found> {
    const found = await this.#lookUp(name)
    if (found.kind === 'addresses') return found
    const addresses = (await this.#options.system?.(name)) ?? []
    return addresses.length === 0 ? found : { kind: 'addresses', addresses, more: 0 }
  }

  async #lookUp(name: string): Promise<Found> {
    if (isIP(name) !== 0) return { kind: 'addresses', addresses: [name], more: 0 }
    // RFC 6761 6.3: resolvers need not know it.
    if (name === 'localhost') return { kind: 'addresses', addresses: ['127.0.0.1', '::1'], more: 0 }
    const { resolver } = this.#options
    const answers = await Promise.all([resolver.query('A', name), resolver.query('AAAA', name)])
    const known = answers.filter((answer) => answer.kind === 'records')
    const addresses = known.flatMap(({ records }) => records)
    const more = known.reduce((sum, answer) => sum + answer.more, 0)
    if (addresses.length > 0) return { kind: 'addresses', addresses, more }
    const trouble = answers.find((answer) => answer.kind === 'trouble')
    return trouble ?? { kind: 'none' }
  }
}

function listed({ addresses, more }: Found & { kind: 'addresses' }): string {
  return enumerate(addresses, SHOWN, more)
}

function failed(finding: NameFinding, text: string): { kind: 'failed'; found: Finding } {
  return { kind: 'failed', found: { kind: 'name', finding, text } }
}

/** The set of its hosts, always written alike. */
function siteOf(hosts: readonly Host[]): string {
  const names = hosts
    .map(({ name }) => name)
    .sort()
    .join(',')
  if (names.length <= SITE_LENGTH) return names
  const hash = createHash('sha256').update(names).digest('hex').slice(0, 12)
  return `${names.slice(0, SITE_LENGTH - 13)}#${hash}`
}

function shuffle<Thing>(things: readonly Thing[], chance: () => number): Thing[] {
  const mixed = [...things]
  for (let n = mixed.length - 1; n > 0; n--) {
    const other = Math.floor(chance() * (n + 1))
    ;[mixed[n], mixed[other]] = [mixed[other]!, mixed[n]!]
  }
  return mixed
}
