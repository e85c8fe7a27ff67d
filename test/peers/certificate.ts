// Certificates for peers: an authority of our own and what it signs, made by openssl once a
// process. They are good for the names given and for no more than a test.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** The authority that signed it: give it to a client that should trust the certificate. */
  readonly ca: string
}

const made = new Map<string, Certificate>()

/** A certificate for these host names or addresses, signed by an authority of its own. */
export function makeCertificate(...names: string[]): Certificate {
  const wanted = names.length === 0 ? ['mx.example'] : names
  const key = wanted.join(',')
  const certificate = made.get(key) ?? create(wanted)
  made.set(key, certificate)
  return certificate
}

function create(names: readonly string[]): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-certificate-'))
  const run = (...words: string[]): void => {
    execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
  }
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  try {
    const alternatives = names.map((name) => `${isAddress(name) ? 'IP' : 'DNS'}:${name}`).join(',')
    writeFileSync(join(folder, 'names'), `subjectAltName=${alternatives}\n`)
    const authority = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test authority']
    run('req', '-x509', '-days', '2', ...newKey, ...authority)
    run('req', ...newKey, '-keyout', 'key', '-out', 'request', '-subj', `/CN=${names[0]}`)
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2']
    run('x509', '-req', '-in', 'request', ...signer, '-extfile', 'names', '-out', 'cert')
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
    return { key: read('key'), cert: read('cert'), ca: read('ca.pem') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function isAddress(name: string): boolean {
  return /^[\d.]+$|:/.test(name)
}
