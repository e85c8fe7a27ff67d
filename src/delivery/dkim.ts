// DKIM signing (RFC 6376, 8463): relaxed/relaxed, RSA-SHA256 and Ed25519 in one pass over the body.
// What is returned is put on top of the content; the content itself is never touched.

import type { Signing } from '../policy/policy.ts'

/** The DKIM-Signature fields, one for each key, each ended by CRLF. */
export function sign(
  _content: Buffer | (() => AsyncIterable<Uint8Array>),
  _signing: Signing,
  _now: number,
): Promise<Buffer> {
  throw new Error('Signing is not written yet')
}
