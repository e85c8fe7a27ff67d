// Three verifiers that are not ours, and what each says of the signatures on top of a message:
// one word for each signature, top down. None of them asks a DNS: they are handed the keys.

import { execFile } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { dkimVerify } from 'mailauth'
import { parseDomain } from '../../src/mail/address.ts'
import type { Signing, SigningKey } from '../../src/policy/policy.ts'

const run = promisify(execFile)

export function signingKey(selector: string, key: KeyObject): SigningKey {
  const algorithm = key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'
  return { selector, key, algorithm }
}

/** Fresh keys of both kinds for this domain. */
export function newSigning(domain: string): Signing {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ed25519 = generateKeyPairSync('ed25519').privateKey
  const keys = [signingKey('s2026', rsa), signingKey('e2026', ed25519)]
  return { domain: parseDomain(domain)!, keys, at: 'signing.yaml:1' }
}

/** What DNS would say: name and TXT record of each key. */
export function recordsOf({ domain, keys }: Signing): Map<string, string> {
  return new Map(
    keys.map(({ selector, key }) => [`${selector}._domainkey.${domain}`, recordOf(key)]),
  )
}

function recordOf(key: KeyObject): string {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  // RFC 8463 publishes the bare 32 bytes, which end the SPKI form.
  if (key.asymmetricKeyType !== 'ed25519') return `v=DKIM1; k=rsa; p=${spki.toString('base64')}`
  return `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`
}

export async function mailauthSays(message: Buffer, signing: Signing): Promise<string[]> {
  const records = recordsOf(signing)
  const resolver = (name: string): Promise<string[][]> => {
    const record = records.get(name)
    return record === undefined
      ? Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
      : Promise.resolve([[record]])
  }
  const { results } = await dkimVerify(message, { resolver, strict: true, minBitLength: 1024 })
  return results.slice(0, signing.keys.length).map(({ status }) => status.result)
}

export async function opendkimSays(message: Buffer, signing: Signing): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-opendkim-'))
  try {
    const keys = [...recordsOf(signing)].map(([name, record]) => `${name} ${record}\n`)
    const conf = `Mode v\nTestPublicKeys ${folder}/keys\nMinimumKeyBits 1024\nOn-Default accept\n`
    await writeFile(join(folder, 'keys'), keys.join(''))
    await writeFile(join(folder, 'conf'), conf)
    await writeFile(join(folder, 'message'), message)
    const args = ['-x', join(folder, 'conf'), '-vvv', '-t', join(folder, 'message')]
    const { stdout, stderr } = await run('/usr/sbin/opendkim', args)
    const said = [...(stdout + stderr).matchAll(/\bdkim=(\w+)/g)].map((match) => match[1]!)
    return said.slice(0, signing.keys.length)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const DKIMPY = `
import base64, dkim, json, sys
given = json.load(sys.stdin)
message = base64.b64decode(given['message'])
def txt(name, timeout=5):
    return given['records'].get(name.decode().rstrip('.'), '').encode()
said = []
for index in range(given['count']):
    try:
        passed = dkim.DKIM(message, minkey=1024).verify(index, dnsfunc=txt)
        said.append('pass' if passed else 'fail')
    except Exception as error:
        said.append(repr(error))
print(json.dumps(said))
`

export async function dkimpySays(message: Buffer, signing: Signing): Promise<string[]> {
  const records = Object.fromEntries(recordsOf(signing))
  const given = { message: message.toString('base64'), records, count: signing.keys.length }
  const running = run('/usr/bin/python3', ['-c', DKIMPY])
  running.child.stdin?.end(JSON.stringify(given))
  return JSON.parse((await running).stdout) as string[]
}
