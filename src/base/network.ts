// Networks as operators write them: an address, or an address and a prefix length.
// `::ffff:…` is how a socket writes an IPv4 address, and counts as that address everywhere.
// `64:ff9b::…` leads to one, which matters for whom we call and never for who calls us:
// RFC 6052 3.1 lets it stand for global addresses only, and anybody may call from it.

import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net'

export interface Network {
  readonly text: string
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

// Without a zone. Node's own parser stops at a NUL and calls the rest no part of the address.
const SIX = /^[0-9a-f.]*:[0-9a-f:.]*$/i

/** What `net.isIP` says, but for zones without its expression, which takes 10 ms of a process to compile. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (isIPv4(text)) return 4
  if (text.includes('%')) return isIP(text) === 6 ? 6 : 0
  if (!SIX.test(text)) return 0
  try {
    return new SocketAddress({ address: text, family: 'ipv6' }).family === 'ipv6' ? 6 : 0
  } catch {
    return 0
  }
}

export function parseNetwork(text: string): Network | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const version = ipVersion(address)
  if (version === 0 || rest.length > 0) return undefined
  const longest = version === 4 ? 32 : 128
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined
  const prefix = length === undefined ? longest : Number(length)
  if (prefix > longest) return undefined
  return { text, address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** A test whether an address lies in one of the networks; `read` says which IPv4 address counts. */
export function matchNetworks(
  networks: readonly Network[],
  read: (address: string) => string = unmap,
): (address: string) => boolean {
  const list = new BlockList()
  for (const { address, prefix, family } of networks) list.addSubnet(address, prefix, family)
  return (address) => {
    const plain = read(address)
    const version = ipVersion(plain)
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/** Who calls: the IPv4 address inside `::ffff:0:0/96`; any other address without its zone. */
export function unmap(address: string): string {
  return unwrap(address, ['0:0:0:0:0:ffff'])
}

/** Whom we would reach: as `unmap`, and the IPv4 address behind `64:ff9b::/96` (RFC 6052). */
export function reached(address: string): string {
  return unwrap(address, ['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0'])
}

export const isLoopback = matchNetworks([parseNetwork('127.0.0.0/8')!, parseNetwork('::1')!])

/**
 * What a client is counted by: an IPv4 address, or the /64 of an IPv6 address, of which whoever
 * has one address has all (RFC 6177).
 */
export function networkOf(client: string): string {
  const plain = unmap(client)
  if (ipVersion(plain) !== 6) return plain
  return `${expand(plain).slice(0, 4).join(':')}::/64`
}

function unwrap(address: string, heads: readonly string[]): string {
  const plain = address.split('%')[0] ?? address
  if (ipVersion(plain) !== 6) return plain
  const groups = expand(plain)
  if (!heads.includes(groups.slice(0, 6).join(':'))) return plain
  const [high = '0', low = '0'] = groups.slice(6)
  const bytes = [parseInt(high, 16), parseInt(low, 16)].flatMap((word) => [word >> 8, word & 255])
  return bytes.join('.')
}

function expand(address: string): string[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const text =
    dotted === null
      ? address
      : dotted[1]! + word(dotted[2]!, dotted[3]!) + ':' + word(dotted[4]!, dotted[5]!)
  const [left = '', right] = text.toLowerCase().split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  const gap = right === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array<string>(Math.max(gap, 0)).fill('0'), ...after].map((group) =>
    parseInt(group, 16).toString(16),
  )
}

function word(high: string, low: string): string {
  return ((Number(high) << 8) | Number(low)).toString(16)
}
