// users.yaml: who may log in, and which senders each of them may use. It is written by
// `waypost user add`. The hash of a password is never repeated in a message.

import type { Address } from '../mail/address.ts'
import { parseHash } from './password.ts'
import { createMatcher, parsePattern } from './patterns.ts'
import type { Pattern } from './patterns.ts'
import type { SenderVerdict, User } from './policy.ts'
import { list, map, optional, parsed, required, shaped } from './read.ts'
import type { Reader } from './read.ts'
import { doubt, entriesOf, fault, scalarOf, wrong } from './yaml.ts'
import type { Place } from './yaml.ts'

export type Users = ReadonlyMap<string, KnownUser>

interface KnownUser {
  readonly user: User
  /** `undefined`: any sender. */
  readonly fits: ((sender: Address) => boolean) | undefined
}

// What is safe in a log line, in SASL and as a key of YAML; '*' stands for all users in relay.yaml.
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]{0,127}$/u

const SENDER = "an address, a domain, or '*.' and a domain"

const HASH = shaped<string>(
  {
    kind: 'value',
    says: 'an argon2id hash',
    schema: { type: 'string', pattern: '^\\$argon2id\\$' },
  },
  hash,
)

const TABLE = {
  password: required(HASH, 'the argon2id hash that `waypost user add` writes'),
  senders: optional(
    list(parsed(sender, SENDER), 'senders'),
    'addresses and domains it may use as MAIL FROM and From; without: any',
  ),
} as const

const USER = map(TABLE)

/** The name, when it can be one of a user. */
export function userName(text: string): string | undefined {
  return NAME.test(text) ? text : undefined
}

export const users: Reader<Users> = shaped({ kind: 'named', name: 'user', of: USER.shape }, usersIn)

function usersIn(place: Place): Users | undefined {
  const entries = entriesOf(place)
  if (entries === undefined) return wrong(place, 'a map from names to users')
  const known = new Map<string, KnownUser>()
  for (const { key, value } of entries) {
    const name = userName(key.name)
    if (name === undefined) wrong(key, 'a name of letters, digits and . _ @ + -')
    const read = USER(value)
    if (name === undefined || read === undefined) continue
    if (read.senders === undefined) doubt(key, 'may use any sender, as it has no "senders"')
    known.set(name, createUser(name, key, read.password, read.senders))
  }
  return known
}

export function maySend(all: Users, name: string, sender: Address | undefined): SenderVerdict {
  const known = all.get(name)
  if (known === undefined) return { allowed: false, at: 'no such user in users.yaml' }
  const allowed = sender === undefined || known.fits === undefined || known.fits(sender)
  return { allowed, at: known.user.at }
}

interface Sender {
  readonly text: string
  readonly pattern: Pattern
}

function createUser(
  name: string,
  key: Place,
  password: string,
  senders: readonly Sender[] | undefined,
): KnownUser {
  const user = { name, password, at: key.at }
  if (senders === undefined) return { user, fits: undefined }
  return {
    user: { ...user, senders: senders.map((one) => one.text) },
    fits: createMatcher(senders.map((one) => one.pattern)),
  }
}

function sender(text: string): Sender | undefined {
  const pattern = parsePattern(text)
  return pattern && { text, pattern }
}

function hash(place: Place): string | undefined {
  const value = scalarOf(place)
  if (typeof value === 'string' && parseHash(value) !== undefined) return value
  return fault(place, 'is no argon2id hash, should be what `waypost user add` writes')
}
