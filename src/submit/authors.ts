// Whom a message says that it is from, and whether its user may say so. An author that cannot be
// read for certain is none that a user with a list of senders may use.

import type { Address, Domain } from '../mail/address.ts'
import type { Policy } from '../policy/policy.ts'
import type { Head } from './header/head.ts'
import type { Refusal } from './verdict.ts'
import { readMailboxes } from './header/mailboxes.ts'
import { REFUSAL } from './refusals.ts'

export interface Authors {
  /** Of all From fields; `undefined` when one cannot be read. */
  readonly from: readonly Address[] | undefined
  readonly sender: readonly Address[] | undefined
}

export function readAuthors(head: Head): Authors {
  return { from: readAll(head.from), sender: readAll(head.sender) }
}

/** With the line of the users file that says so; `undefined`: allowed. */
export function authorRefusal(
  policy: Policy,
  user: string | undefined,
  { from, sender }: Authors,
): Refusal | undefined {
  if (user === undefined) return undefined
  for (const address of [...(from ?? []), ...(sender ?? [])]) {
    const verdict = policy.maySend(user, address)
    if (!verdict.allowed) return { ...REFUSAL.author, rule: verdict.at }
  }
  if (from !== undefined && sender !== undefined) return undefined
  const known = policy.user(user)
  return known?.senders === undefined ? undefined : { ...REFUSAL.authorUnclear, rule: known.at }
}

export function domainsOf(authors: readonly Address[]): Domain[] {
  if (authors.length === 1) return [authors[0]!.domain]
  return [...new Set(authors.map((author) => author.domain))]
}

function readAll(bodies: readonly string[]): readonly Address[] | undefined {
  if (bodies.length === 1) return readMailboxes(bodies[0]!)
  const all: Address[] = []
  for (const body of bodies) {
    const addresses = readMailboxes(body)
    if (addresses === undefined) return undefined
    all.push(...addresses)
  }
  return all
}
