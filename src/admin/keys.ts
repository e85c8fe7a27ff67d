// Signing keys: made in pairs, RSA-2048 and Ed25519, and told as the DNS records that verifiers
// look up (RFC 6376 3.6.1, RFC 8463 4).

import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { chown, mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { SigningKey } from '../policy/policy.ts'

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
  const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(key.export({ type: 'pkcs8', format: 'pem' }))
  await file.sync()
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(config)
  await file.chown(uid, gid)
  if (made === undefined) return
  for (let folder = dirname(path); folder.startsWith(made); folder = dirname(folder))
    await chown(folder, uid, gid)
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

/** Do the TXT records at a selector's name publish this key? */
export function matchRecords(key: KeyObject, records: readonly string[]): KeyMatch {
  const [record, ...others] = records.filter((text) => !/^\s*v\s*=\s*(?!DKIM1\b)/.test(text))
  if (record === undefined) return { kind: 'missing', note: 'there is no DKIM record' }
  if (others.length > 0)
    return { kind: 'wrong', note: `there are ${records.length} records, and there must be one` }
  const tags = readTags(record)
  if (tags.get('p') === '') return { kind: 'revoked', note: 'p= is empty: the key is revoked' }
  const kind = key.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'rsa'
  const published = tags.get('k') ?? 'rsa'
  if (published !== kind) return { kind: 'wrong', note: `k=${published}, should be k=${kind}` }
  if (!isSameKey(key, tags.get('p') ?? ''))
    return { kind: 'differs', note: 'p= is another key than the one in the file' }
  return usable(tags)
}

function usable(tags: ReadonlyMap<string, string>): KeyMatch {
  const hashes = tags.get('h')
  if (hashes !== undefined && !hashes.split(':').includes('sha256'))
    return { kind: 'wrong', note: `h=${hashes} forbids sha256` }
  const services = tags.get('s')
  if (services !== undefined && !/(^|:)(\*|email)(:|$)/.test(services))
    return { kind: 'wrong', note: `s=${services} forbids mail` }
  const testing = tags.get('t')?.split(':').includes('y') === true
  return testing
    ? { kind: 'matches', note: 't=y says that it is only a test' }
    : { kind: 'matches' }
}

// RSA keys are published as SPKI, or as the bare RSAPublicKey that RFC 6376 names.
function isSameKey(key: KeyObject, published: string): boolean {
  if (published === publicPart(key)) return true
  if (key.asymmetricKeyType !== 'rsa') return false
  const bare = createPublicKey(key).export({ type: 'pkcs1', format: 'der' })
  return published === bare.toString('base64')
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
