// What a name server's packet says about the name that was asked, after aliases: records,
// nothing of this type, no such name, or an alias that it did not follow to its end. What is not
// said in so many words is trouble: "there is no such name" makes mail bounce.

import { Nonsense } from './name.ts'
import { TYPES } from './packet.ts'
import type { Entry, Packet } from './packet.ts'
import { readRecords } from './records.ts'
import type { Records, RecordType } from './records.ts'

export type Answer<Type extends RecordType = RecordType> =
  | {
      readonly kind: 'records'
      readonly records: readonly Records[Type][]
      /** How many there are beside these; an answer may have thousands. */
      readonly more: number
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

export const NOERROR = 0
export const NXDOMAIN = 3
const INTERNET = 1
const ALIASES = 16
const NEGATIVE_TTL = 60

/** `alias`: the server followed as far as `to`, and we go on from there. */
export type Read = Answer | { readonly kind: 'alias'; readonly to: string; readonly ttl: number }

export function readPacket(packet: Packet, type: RecordType, asked: string): Read {
  try {
    return readAnswers(packet, type, asked)
  } catch (error) {
    if (error instanceof Nonsense) return trouble(`an answer with ${error.message}`)
    throw error
  }
}

function readAnswers(packet: Packet, type: RecordType, asked: string): Read {
  const { authentic } = packet.header
  const answers = packet.answers.filter((one) => one.class === INTERNET)
  const chain = followAliases(packet, answers, asked)
  if (chain === undefined) return trouble(`aliases without an end from ${asked}`)
  const { name, ttl } = chain
  const found = answers.filter((one) => one.type === TYPES[type] && one.name === name)
  if (found.length > 0) {
    const least = found.reduce((low, one) => Math.min(low, one.ttl), ttl)
    return { kind: 'records', ...readRecords(type, packet, found), name, ttl: least, authentic }
  }
  if (packet.answers.length > chain.links + count(answers, BESIDE))
    return trouble(`an answer about other names or types than ${asked} ${type}`)
  const nothing = Math.min(ttl, packet.negativeTtl ?? NEGATIVE_TTL)
  if (packet.code === NXDOMAIN) return { kind: 'no name', ttl: nothing, authentic }
  if (name !== asked && packet.negativeTtl === undefined) return { kind: 'alias', to: name, ttl }
  if (packet.referral && !packet.header.recursive)
    return trouble('it refers to other servers and asks none of them')
  return { kind: 'no data', ttl: nothing, authentic }
}

/** Types that come along with aliases and signatures, and answer nothing by themselves. */
const BESIDE: readonly number[] = [TYPES.DNAME, TYPES.RRSIG]

function count(entries: readonly Entry[], types: readonly number[]): number {
  return entries.filter((one) => types.includes(one.type)).length
}

/** `undefined`: they have no end. */
function followAliases(
  { names }: Packet,
  answers: readonly Entry[],
  asked: string,
): { name: string; ttl: number; links: number } | undefined {
  let name = asked
  let ttl = Number.MAX_SAFE_INTEGER
  const aliases = answers.filter((one) => one.type === TYPES.CNAME)
  for (let links = 0; links < ALIASES; links++) {
    const alias = aliases.find((one) => one.name === name)
    if (alias === undefined) return { name, ttl, links }
    name = names.read(alias.start)
    ttl = Math.min(ttl, alias.ttl)
  }
  return undefined
}

function trouble(reason: string): { readonly kind: 'trouble'; readonly reason: string } {
  return { kind: 'trouble', reason }
}
