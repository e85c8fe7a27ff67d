// Networks as operators write them: an address, or an address and a prefix length.
// IPv4 addresses written inside IPv6 (`::ffff:…`, `64:ff9b::…`) count as IPv4.

import { BlockList, isIP } from 'node:net'

export interface Network {
  readonly text: string
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

export function parseNetwork(text: string): Network | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return undefined
  const longest = version === 4 ? 32 : 128
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined
  const prefix = length === undefined ? longest : Number(length)
  if (prefix > longest) return undefined
  return { text, address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** A test whether an address lies in one of the networks. */
export function matchNetworks(networks: readonly Network[]): (address: string) => boolean {
  const list = new BlockList()
  for (const { address, prefix, family } of networks) list.addSubnet(address, prefix, family)
  return (address) => {
    const plain = unmap(address)
    const version = isIP(plain)
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/** The IPv4 address inside `::ffff:0:0/96` or `64:ff9b::/96`; any other address without its zone. */
export function unmap(address: string): string {
  const plain = address.split('%')[0] ?? address
  if (isIP(plain) !== 6) return plain
  const groups = expand(plain)
  const head = groups.slice(0, 6).join(':')
  if (head !== '0:0:0:0:0:ffff' && head !== '64:ff9b:0:0:0:0') return plain
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
