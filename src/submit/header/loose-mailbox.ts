// A From that breaks the rules of RFC 5322 3.4 and has one address all the same: a bracket is
// missing, or both are. Only where the whole text has a single `@`, so that no reader can find
// another domain in it than we do.

import type { Address } from '../../mail/address.ts'
import { parseAddress } from '../../mail/address.ts'

/** Nothing that hides or joins text: no quotes, comments, literals, groups. */
const ONE = /^([^<>@"()\\[\]:;]*[\s,<]|)([^\s<>@,"()\\[\]:;]+)@([^\s<>@,"()\\[\]:;]+)[\s>]*$/u

/**
 * All forms that the address may be read in; they have one domain, so a rule about it decides
 * the same for all. `undefined`: there is no single address.
 */
export function readLooseMailbox(text: string): Address[] | undefined {
  const match = text.length > 1000 ? null : ONE.exec(text)
  if (match === null) return undefined
  const [, before, local, domain] = match
  const address = parseAddress(`${local!}@${domain!}`)
  if (address === undefined) return undefined
  // `Ana Lund ana@near.example`: some leave the spaces out, and make a longer local part of it.
  const words = before!.slice(before!.lastIndexOf(',') + 1)
  if (words.trim() === '' || words.trimEnd().endsWith('<')) return [address]
  const joined = parseAddress(`${words.replaceAll(/\s/g, '')}${local!}@${domain!}`)
  return joined === undefined ? undefined : [address, joined]
}
