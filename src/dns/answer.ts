// What a name server's packet says about the name that was asked, after aliases: records,
// nothing of this type, no such name, or an alias that it did not follow to its end.

import type { Answer as PacketAnswer, DecodedPacket, MxData } from 'dns-packet'

/** Types that we ask for, and what a record of each is. */
export interface Records {
  readonly A: string
  readonly AAAA: string
  readonly MX: { readonly preference: number; readonly exchange: string }
  /** The strings of one record, joined. */
  readonly TXT: string
}
export type RecordType = keyof Records

export type Answer<Type extends RecordType = RecordType> =
  | {
      readonly kind: 'records'
      readonly records: readonly Records[Type][]
      /** Where the records stand, after aliases. */
      readonly name: string
      /** Seconds. */
      readonly ttl: number
      /** The resolver says that it has validated them (AD). */
      readonly authentic: boolean
    }
  /** NXDOMAIN. */
  | { readonly kind: 'no name'; readonly ttl: number; readonly authentic: boolean }
  /** The name is there, records of this type are not. */
  | { readonly kind: 'no data'; readonly ttl: number; readonly authentic: boolean }
  /** SERVFAIL, REFUSED, time-outs and nonsense: nothing was learnt. */
  | { readonly kind: 'trouble'; readonly reason: string }

/** Names are compared in lower case and without the last dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

export function codeOf(packet: DecodedPacket): number {
  return (packet.flags ?? 0) & 15
}

const NXDOMAIN = 3
const ALIASES = 16
const NEGATIVE_TTL = 60

/** `alias`: the server followed as far as `to`, and we go on from there. */
export type Read = Answer | { readonly kind: 'alias'; readonly to: string; readonly ttl: number }

export function readPacket(packet: DecodedPacket, type: RecordType, asked: string): Read {
  const authentic = packet.flag_ad
  const answers = packet.answers ?? []
  const end = followAliases(answers, asked)
  if (end === undefined) return { kind: 'trouble', reason: `aliases without an end from ${asked}` }
  const { name, ttl } = end
  const found = answers.filter((one) => one.type === type && plainName(one.name) === name)
  if (found.length > 0) {
    const least = found.reduce((low, one) => Math.min(low, ttlOf(one)), ttl)
    const records = found.map((one) => recordOf(one)).filter((one) => one !== undefined)
    return { kind: 'records', records, name, ttl: least, authentic }
  }
  const nothing = Math.min(ttl, negativeTtl(packet))
  if (codeOf(packet) === NXDOMAIN) return { kind: 'no name', ttl: nothing, authentic }
  const hasSoa = (packet.authorities ?? []).some((one) => one.type === 'SOA')
  if (name !== asked && !hasSoa) return { kind: 'alias', to: name, ttl }
  return { kind: 'no data', ttl: nothing, authentic }
}

/** `undefined`: they have no end. */
function followAliases(
  answers: readonly PacketAnswer[],
  asked: string,
): { name: string; ttl: number } | undefined {
  let name = asked
  let ttl = Number.MAX_SAFE_INTEGER
  for (let n = 0; n < ALIASES; n++) {
    const alias = answers.find((one) => one.type === 'CNAME' && plainName(one.name) === name)
    if (alias?.type !== 'CNAME') return { name, ttl }
    name = plainName(alias.data)
    ttl = Math.min(ttl, ttlOf(alias))
  }
  return undefined
}

function ttlOf(answer: PacketAnswer): number {
  return 'ttl' in answer ? (answer.ttl ?? 0) : 0
}

/** RFC 2308 5: the lesser of the SOA's own time and its minimum. */
function negativeTtl(packet: DecodedPacket): number {
  const soa = (packet.authorities ?? []).find((one) => one.type === 'SOA')
  return soa?.type === 'SOA' ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : NEGATIVE_TTL
}

function recordOf(answer: PacketAnswer): Records[RecordType] | undefined {
  if (answer.type === 'A' || answer.type === 'AAAA') return answer.data
  if (answer.type === 'MX') return mxOf(answer.data)
  return answer.type === 'TXT' ? textOf(answer.data) : undefined
}

function mxOf({ preference = 0, exchange }: MxData): Records['MX'] {
  return { preference, exchange: exchange === '.' ? '' : plainName(exchange) }
}

function textOf(data: string | Buffer | (string | Buffer)[]): string {
  return [data].flat().map(String).join('')
}
