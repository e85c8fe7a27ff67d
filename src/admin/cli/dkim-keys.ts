// Signing keys: made in pairs, RSA-2048 and Ed25519, and told as the DNS records that verifiers
// look up (RFC 6376 3.6.1, RFC 8463 4).

import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, open, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { makeFolder } from '../../base/folder.ts'
import type { SigningKey } from '../../policy/policy.ts'

const generate = promisify(generateKeyPair)

export type KeyKind = 'rsa' | 'ed25519'

export async function newKey(kind: KeyKind): Promise<KeyObject> {
  const { privateKey } =
    kind === 'rsa' ? await generate('rsa', { modulusLength: 2048 }) : await generate('ed25519')
  return privateKey
}

/**
 * Never over a file that is there; readable by its owner alone, and whole once this resolves. What
 * root makes is given to the owner of the config folder, or the relay could not read it.
 */
export async function storeKey(config: string, name: string, key: KeyObject): Promise<void> {
  const path = join(config, name)
  try {
    await write(config, path, key)
  } catch (cause) {
    throw new Error(
      `Cannot write "${path}": ${(cause as Error).message}; run this as a user who may write in "${config}"`,
      { cause },
    )
  }
}

async function write(config: string, path: string, key: KeyObject): Promise<void> {
  const made: string[] = []
  for (let folder = dirname(path); !existsSync(folder); folder = dirname(folder)) made.push(folder)
  await makeFolder(dirname(path))
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(key.export({ type: 'pkcs8', format: 'pem' }))
  await file.sync()
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(config)
  await file.chown(uid, gid)
  for (const folder of made) await chown(folder, uid, gid)
}

/** The keys in a folder, by their file names: `s2026.pem` has the selector `s2026`. */
export async function readKeys(folder: string): Promise<SigningKey[]> {
  const names = await readdir(folder).catch(() => [])
  const keys: SigningKey[] = []
  for (const name of names.filter((each) => each.endsWith('.pem')).sort()) {
    const key = createPrivateKey(await readFile(join(folder, name)))
    const algorithm = key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'
    keys.push({ selector: name.slice(0, -4), key, algorithm })
  }
  return keys
}

/** The `p=` that belongs to a private key. */
export function publicPart(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  // RFC 8463 4.2: the 32 bytes of the key alone, which stand last in the structure.
  const bytes = key.asymmetricKeyType === 'ed25519' ? der.subarray(-32) : der
  return bytes.toString('base64')
}

export function recordText(key: KeyObject): string {
  const kind = key.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'rsa'
  return `v=DKIM1; k=${kind}; p=${publicPart(key)}`
}

/** In the form of zone files: strings of at most 255 bytes (RFC 1035 3.3.14). */
export function zoneLine(selector: string, domain: string, text: string): string {
  const strings = text.match(/.{1,255}/g) ?? []
  return `${selector}._domainkey.${domain}. IN TXT ( ${strings.map((part) => `"${part}"`).join(' ')} )`
}

export type KeyMatch =
  | { readonly kind: 'matches'; readonly note?: string }
  | { readonly kind: 'missing' | 'differs' | 'revoked' | 'wrong'; readonly note: string }

/** Do the TXT records at a selector's name publish this key, in a form that verifiers can read? */
export function matchRecords(key: KeyObject, records: readonly string[]): KeyMatch {
  const [record, ...others] = records.filter((text) => !isForeign(text))
  if (record === undefined) return { kind: 'missing', note: 'there is no DKIM record' }
  if (others.length > 0)
    return { kind: 'wrong', note: `there are ${records.length} records, and there must be one` }
  const tags = readTags(record)
  if (tags.get('p') === '') return { kind: 'revoked', note: 'p= is empty: the key is revoked' }
  const capital = ['V', 'K', 'P'].find((name) => tags.has(name))
  if (capital !== undefined)
    return { kind: 'wrong', note: `${capital}= is no tag: write ${capital.toLowerCase()}=` }
  const version = tags.get('v') ?? 'DKIM1'
  if (version !== 'DKIM1') return { kind: 'wrong', note: `v=${version}, should be v=DKIM1;` }
  if (!tags.has('p')) return { kind: 'wrong', note: 'there is no p= in the record' }
  const kind = key.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'rsa'
  const published = tags.get('k') ?? 'rsa'
  if (published !== kind) return { kind: 'wrong', note: `k=${published}, should be k=${kind}` }
  const form = formOf(key, tags.get('p') ?? '')
  if (form === 'another')
    return { kind: 'differs', note: 'p= is another key than the one in the file' }
  if (form === 'bare') return { kind: 'wrong', note: `${BARE}: publish "${recordText(key)}"` }
  const unusable = unusableBy(tags)
  if (unusable !== undefined) return { kind: 'wrong', note: unusable }
  if (records.length > 1) return { kind: 'wrong', note: BESIDE }
  const notes = notesOn(record, tags)
  return notes.length === 0 ? { kind: 'matches' } : { kind: 'matches', note: notes.join('; ') }
}

// OpenDKIM never verifies with it, others by chance of the order in which they come.
const BESIDE =
  'another TXT record stands at the same name, and there must be one: some verifiers then find no key'
const BARE =
  'p= is the key without its algorithm (RSAPublicKey), which four of six verifiers refuse'

/** It says that it is something else, `v=spf1` for example. */
function isForeign(record: string): boolean {
  return /^\s*v\s*=(?!\s*DKIM1\b)/.test(record)
}

function unusableBy(tags: ReadonlyMap<string, string>): string | undefined {
  const hashes = tags.get('h')
  if (hashes !== undefined && !hashes.split(':').includes('sha256'))
    return `h=${hashes} forbids sha256`
  const services = tags.get('s')
  if (services !== undefined && !/(^|:)(\*|email)(:|$)/.test(services))
    return `s=${services} forbids mail`
  return undefined
}

/** What some verifiers refuse though RFC 6376 allows it, or that an operator may not mean. */
function notesOn(record: string, tags: ReadonlyMap<string, string>): string[] {
  const notes: string[] = []
  if (tags.get('t')?.split(':').includes('y') === true)
    notes.push('t=y says that it is only a test')
  if (/(?:^|;)\s*v(?:\s+=|=\s)/.test(record))
    notes.push('Exim 4.96 cannot read it: write v=DKIM1 without space around the =')
  const services = tags.get('s')
  if (services !== undefined && services.includes(':'))
    notes.push(`Exim 4.96 and dkimpy refuse s=${services}: write s=email, or leave it out`)
  const granularity = tags.get('g')
  if (granularity !== undefined && granularity !== '*')
    notes.push(`some verifiers refuse g=${granularity}, which is obsolete: leave it out`)
  return notes
}

// RFC 6376 3.6.1 names the bare RSAPublicKey; what all publish and read is SPKI.
function formOf(key: KeyObject, published: string): 'same' | 'bare' | 'another' {
  if (published === publicPart(key)) return 'same'
  if (key.asymmetricKeyType !== 'rsa') return 'another'
  const bare = createPublicKey(key).export({ type: 'pkcs1', format: 'der' })
  return published === bare.toString('base64') ? 'bare' : 'another'
}

/** RFC 6376 3.2; white space inside a value never means anything in the tags that are read here. */
function readTags(record: string): Map<string, string> {
  const tags = new Map<string, string>()
  for (const part of record.slice(0, 8192).split(';')) {
    const equals = part.indexOf('=')
    if (equals === -1) continue
    tags.set(part.slice(0, equals).trim(), part.slice(equals + 1).replaceAll(/\s/g, ''))
  }
  return tags
}
