// Whom verified TLS trusts: the authorities that come with Node, those that NODE_EXTRA_CA_CERTS
// names, and those that the system's administrator has installed, as other mailers do.

import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'

// Where systems keep them in one file. Node can read the system's as well, but looks at each file of
// a folder on this thread, which took 0.6 s where this took 0.05 s.
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Alpine, Arch
  '/etc/pki/tls/certs/ca-bundle.crt', // Red Hat
  '/etc/ssl/ca-bundle.pem', // SUSE
  '/etc/ssl/cert.pem', // BSD, macOS
]

/** In PEM; `undefined` when the system has none that Node does not know: its own are faster. */
export function systemAuthorities(files: readonly string[] = BUNDLES): string[] | undefined {
  const known = getCACertificates('default')
  const bodies = new Set(known.map(bodyOf))
  const more = readFirst(files).filter((pem) => !bodies.has(bodyOf(pem)))
  return more.length === 0 ? undefined : [...known, ...more]
}

function readFirst(files: readonly string[]): string[] {
  for (const file of files) {
    try {
      const pems = readFileSync(file, 'latin1').match(CERTIFICATE)
      if (pems !== null) return pems
    } catch {
      // Another system, then.
    }
  }
  return []
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The same however its lines are broken. */
function bodyOf(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, '')
}
