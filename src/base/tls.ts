// What we ask of TLS wherever we are its client: the next mail server, Redis, an object store.

/**
 * Groups for the key exchange. The post-quantum one is on offer, but without its share of 1,216
 * bytes, which servers that want it ask for: the usual first flight of OpenSSL 3.5 has 1,594 bytes,
 * does not fit into one segment, and is dropped or reset by boxes on the way. So it is 374.
 */
export const KEY_GROUPS = 'X25519MLKEM768:DEFAULT'

/** What OpenSSL and Node say of a failure, for people: without what is for their developers. */
export function tellTlsError(error: Error): string {
  const { code, reason, message } = error as NodeJS.ErrnoException & { reason?: string }
  if (code?.startsWith('ERR_SSL_') === true && reason !== undefined) return reason
  const plain = message.replace(/; if the root CA is installed locally.*$/s, '').trim()
  return UNTRUSTED.has(code ?? '') ? `${plain}; ${ADVICE}` : plain
}

// The chain ends in a certificate that no authority of ours has signed.
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

const ADVICE =
  'if you trust it, name a file with its authority in NODE_EXTRA_CA_CERTS and start Waypost again'
