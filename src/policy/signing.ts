// signing.yaml: which keys sign the mail of a From domain. The most specific entry answers: the
// domain itself, then the longest pattern. Keys are read and checked once for each load; one that
// cannot be read is a mistake, so that no mail leaves unsigned because of it.

import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseDomain } from '../mail/address.ts'
import type { Domain } from '../mail/address.ts'
import { createIndex, fitting, parseDomainPattern } from './patterns.ts'
import type { Index, Pattern } from './patterns.ts'
import type { At, Signing, SigningKey, SignWith } from './policy.ts'
import { hidden, list, map, parsed, placed, refined, required, rules, text } from './read.ts'
import type { Placed, Reader, ValuesOf } from './read.ts'
import { codeOf } from './secret.ts'
import { doubt, fault } from './yaml.ts'
import type { Place } from './yaml.ts'

interface SigningEntry {
  readonly place: Place
  readonly at: At
  readonly domains: readonly Placed<DomainPattern>[]
  readonly keys: readonly KeyEntry[]
}

type DomainPattern = Extract<Pattern, { kind: 'domain' | 'below' }>

const KEY = {
  selector: required(parsed(selector, 'a selector such as s2026'), 'the s= of the signature'),
  file: required(placed(text), 'the private key (PEM), relative to the config folder'),
} as const

type KeyEntry = ValuesOf<typeof KEY>

const TABLE = {
  domains: required(
    list(placed(parsed(parseDomainPattern, "a domain, or '*.' and a domain")), 'domains'),
    'domains of From that it signs for',
  ),
  keys: required(list(map(KEY), 'key'), 'the keys that sign, each with selector and file'),
} as const

export interface Signer {
  readonly index: Index
  /** One for each pattern, in the order of the index. */
  readonly answers: readonly Signing[]
}

export const signingEntries: Reader<readonly SigningEntry[]> = rules(
  refined(map(TABLE), signingEntry),
  'entry',
)

/** Reads the keys; the paths are what is watched for changes. */
export async function createSigner(
  entries: readonly SigningEntry[],
  folder: string,
): Promise<{ signer: Signer; files: string[] }> {
  const read = createKeyReader(folder)
  const answers: Signing[] = []
  const patterns: DomainPattern[][] = []
  for (const { domains, keys, at } of entries) {
    const all = await Promise.all(keys.map((key) => read(key)))
    const sound = all.filter((key) => key !== undefined)
    for (const { value } of domains) {
      patterns.push([value])
      answers.push({ domain: value.domain, keys: sound, at })
    }
  }
  return { signer: { index: createIndex(patterns), answers }, files: read.files() }
}

/** The first of the From domains that has keys. */
export function signing({ index, answers }: Signer, from: readonly Domain[]): Signing | undefined {
  for (const domain of from) {
    const number = fitting(index, domain)[0]?.[0]
    if (number !== undefined) return answers[number]
  }
  return undefined
}

/** What is left of a signing where a route asks for some keys only; `undefined`: nothing signs. */
export function chosen(
  signing: Signing | undefined,
  sign: SignWith | undefined,
): Signing | undefined {
  if (signing === undefined || sign === undefined) return signing
  const keys = signing.keys.filter((key) => isChosen(key, sign))
  return keys.length === 0 ? undefined : { ...signing, keys }
}

function isChosen({ selector, algorithm }: SigningKey, sign: SignWith): boolean {
  if (typeof sign !== 'string') return sign.includes(selector)
  return algorithm.startsWith(`${sign}-`)
}

/** The selectors of all entries. */
export function selectorsOf(entries: readonly SigningEntry[]): ReadonlySet<string> {
  return new Set(entries.flatMap(({ keys }) => keys.map((key) => key.selector)))
}

/** A pattern that stands twice: the second is never used. */
export function reviewSigning(entries: readonly SigningEntry[]): void {
  const seen = new Map<string, Place>()
  for (const { value, place } of entries.flatMap((entry) => entry.domains)) {
    const key = `${value.kind} ${value.domain}`
    const first = seen.get(key)
    if (first === undefined) seen.set(key, place)
    else hidden(place, first)
  }
}

function signingEntry(value: ValuesOf<typeof TABLE>, place: Place): SigningEntry | undefined {
  const selectors = value.keys.map((key) => key.selector)
  const twice = selectors.find((name, index) => selectors.indexOf(name) !== index)
  if (twice !== undefined) return fault(place, `has two keys with the selector "${twice}"`)
  return { place, at: place.at, ...value }
}

// One key often serves many domains: each file is read once.
function createKeyReader(folder: string): {
  (entry: KeyEntry): Promise<SigningKey | undefined>
  files(): string[]
} {
  const texts = new Map<string, Promise<Buffer>>()
  const read = async ({ selector, file }: KeyEntry): Promise<SigningKey | undefined> => {
    const path = resolve(folder, file.value)
    const found = texts.get(path) ?? readFile(path)
    texts.set(path, found)
    try {
      return signingKey(selector, await found, file)
    } catch (error) {
      return fault(file.place, `is "${file.value}", which cannot be read: ${codeOf(error)}`)
    }
  }
  return Object.assign(read, { files: () => [...texts.keys()] })
}

function signingKey(
  selector: string,
  pem: Buffer,
  { value: file, place }: Placed<string>,
): SigningKey | undefined {
  const key = privateKey(pem)
  if (key?.asymmetricKeyType === 'ed25519') return { selector, key, algorithm: 'ed25519-sha256' }
  if (key?.asymmetricKeyType !== 'rsa')
    return fault(place, `is "${file}", should hold a private RSA or Ed25519 key in PEM form`)
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  // RFC 8301 3.2: verifiers reject what is shorter than 1024 bits, and signers should use 2048.
  if (bits < 1024) return fault(place, `is "${file}", an RSA key of ${bits} bits, should be 2048`)
  if (bits < 2048) doubt(place, `is "${file}", an RSA key of ${bits} bits, should be 2048`)
  return { selector, key, algorithm: 'rsa-sha256' }
}

function privateKey(pem: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined // a public key, a certificate, another form, or encrypted
  }
}

export function selector(text: string): string | undefined {
  return text.startsWith('[') ? undefined : parseDomain(text)
}
