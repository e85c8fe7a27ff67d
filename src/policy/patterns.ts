// Patterns of addresses and domains: `x.example` is that domain alone, `*.x.example` its
// subdomains, `*` all, `ana@x.example` one address. They are asked for every recipient, so they
// are kept in maps by domain: a question costs one look-up for each label of the domain.
// Local parts are compared without regard to case: no receiver tells `Ana@` from `ana@`, and an
// operator who names an address means the mailbox.

import { parseAddress, parseDomain } from '../mail/address.ts'
import type { Address, Domain } from '../mail/address.ts'

export type Pattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'domain'; readonly domain: Domain }
  | { readonly kind: 'below'; readonly domain: Domain }
  | { readonly kind: 'address'; readonly address: string; readonly domain: Domain }

/** Numbers of rules by their patterns, in rising order. */
export interface Index {
  readonly addresses: Map<string, number[]>
  readonly domains: Map<string, number[]>
  readonly below: Map<string, number[]>
  readonly any: number[]
}

export function parsePattern(text: string): Pattern | undefined {
  if (text === '*') return { kind: 'any' }
  if (text.includes('@')) {
    const address = parseAddress(text)
    return address && { kind: 'address', address: keyOf(address), domain: address.domain }
  }
  return parseDomainPattern(text)
}

/** `x.example` or `*.x.example`. */
export function parseDomainPattern(
  text: string,
): Extract<Pattern, { kind: 'domain' | 'below' }> | undefined {
  const below = text.startsWith('*.')
  const domain = parseDomain(below ? text.slice(2) : text)
  if (domain === undefined || (below && domain.startsWith('['))) return undefined
  return { kind: below ? 'below' : 'domain', domain }
}

/** The index of rules whose patterns are given in their order. */
export function createIndex(rules: readonly (readonly Pattern[])[]): Index {
  const index: Index = { addresses: new Map(), domains: new Map(), below: new Map(), any: [] }
  rules.forEach((patterns, number) => {
    for (const pattern of patterns) {
      const numbers = numbersOf(index, pattern)
      if (numbers.at(-1) !== number) numbers.push(number)
    }
  })
  return index
}

/** The lists of rules with a pattern that fits, the most specific pattern first. */
export function fitting(index: Index, domain: Domain, address?: Address): readonly number[][] {
  const lists: number[][] = []
  if (address !== undefined && index.addresses.size > 0)
    add(lists, index.addresses.get(keyOf(address)))
  add(lists, index.domains.get(domain))
  if (index.below.size > 0)
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1))
      add(lists, index.below.get(domain.slice(dot + 1)))
  if (index.any.length > 0) lists.push(index.any)
  return lists
}

/** The first rule, in the order of rules, that has a fitting pattern and is accepted. */
export function firstOf(
  lists: readonly (readonly number[])[],
  accept: (rule: number) => boolean,
): number | undefined {
  let first: number | undefined
  for (const list of lists) {
    for (const rule of list) {
      if (first !== undefined && rule >= first) break
      if (accept(rule)) first = rule
    }
  }
  return first
}

/** A test of addresses against one set of patterns. */
export function createMatcher(patterns: readonly Pattern[]): (address: Address) => boolean {
  const index = createIndex([patterns])
  return (address) => fitting(index, address.domain, address).length > 0
}

/** All that the narrow pattern fits is fitted by the wide one. */
export function covers(wide: Pattern, narrow: Pattern): boolean {
  if (wide.kind === 'any') return true
  if (narrow.kind === 'any') return false
  switch (wide.kind) {
    case 'address':
      return narrow.kind === 'address' && narrow.address === wide.address
    case 'domain':
      return narrow.kind !== 'below' && narrow.domain === wide.domain
    case 'below':
      return (
        narrow.domain.endsWith(`.${wide.domain}`) ||
        (narrow.kind === 'below' && narrow.domain === wide.domain)
      )
  }
}

/** Each of the narrow patterns is covered by one of the wide ones. */
export function coversAll(wide: readonly Pattern[], narrow: readonly Pattern[]): boolean {
  return narrow.every((one) => wide.some((other) => covers(other, one)))
}

function numbersOf(index: Index, pattern: Pattern): number[] {
  switch (pattern.kind) {
    case 'any':
      return index.any
    case 'domain':
      return slot(index.domains, pattern.domain)
    case 'below':
      return slot(index.below, pattern.domain)
    case 'address':
      return slot(index.addresses, pattern.address)
  }
}

function slot(map: Map<string, number[]>, key: string): number[] {
  const found = map.get(key)
  if (found !== undefined) return found
  const numbers: number[] = []
  map.set(key, numbers)
  return numbers
}

function add(lists: number[][], list: number[] | undefined): void {
  if (list !== undefined) lists.push(list)
}

function keyOf(address: Address): string {
  return `${address.local.toLowerCase()}@${address.domain}`
}
