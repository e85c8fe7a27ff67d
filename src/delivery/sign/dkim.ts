// DKIM signing (RFC 6376, 8463): relaxed/relaxed but for a few bodies (dkim-simple.ts), RSA-SHA256 and
// Ed25519 in one pass over the body. What is returned is put on top of the content; the content itself is never touched.
// Private keys work in Node's thread pool, so that everything else goes on meanwhile.
//
// Why our own: dkim-signer 0.2.2 takes every white space that Unicode knows for that of RFC 6376, reads
// bytes as UTF-8 and hashes an empty body as a line, so that such mail does not verify; it knows neither
// Ed25519 nor oversigning. mailauth cannot oversign either and reads the key anew for each message. Where
// dkim-signer is right the bytes are the same (test/delivery/dkim-peer.test.ts).

import { hash, sign as signBytes } from 'node:crypto'
import { parseHeader, type Header } from '../../mail/header.ts'
import type { Signing, SigningKey } from '../../policy/policy.ts'
import { BodyHash, hashBody } from './body.ts'
import { foldNames, relaxUnsigned, signedField, unsignedField, type BodyForm } from './field.ts'
import { signedFields } from './header.ts'
import { SimpleBody, SimpleWish } from './simple.ts'

type Chunks = () => AsyncIterable<Uint8Array>
type Signed = (error: Error | null, field: string) => void

/** A header longer than this is cut there: such mail ends up with a signature that does not hold. */
const LONGEST_HEADER = 1024 * 1024

/** The DKIM-Signature fields, one for each key, each ended by CRLF. Rejects when a key cannot sign. */
export function sign(content: Buffer | Chunks, signing: Signing, now: number): Promise<Buffer> {
  if (!Buffer.isBuffer(content)) return signStream(content, signing, now)
  const header = parseHeader(content)
  const body = content.subarray(header.bodyStart)
  if (new SimpleWish().look(body).granted)
    return signWithAll(header, 'simple', new SimpleBody().update(body).digest(), signing, now)
  return signWithAll(header, 'relaxed', hashBody(body), signing, now)
}

async function signStream(content: Chunks, signing: Signing, now: number): Promise<Buffer> {
  const body = new BodyHash()
  const wish = new SimpleWish()
  let top = Buffer.alloc(0)
  let header: Header | undefined
  for await (const chunk of content()) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (header !== undefined) {
      body.update(bytes)
      wish.look(bytes)
      continue
    }
    top = Buffer.concat([top, bytes])
    if (!hasWholeHeader(top)) continue
    header = parseHeader(top)
    body.update(top.subarray(header.bodyStart))
    wish.look(top.subarray(header.bodyStart))
  }
  if (header === undefined) return sign(top, signing, now) // it ended within its header
  if (!wish.granted) return signWithAll(header, 'relaxed', body.digest(), signing, now)
  return signWithAll(header, 'simple', await hashSimple(content, header.bodyStart), signing, now)
}

// Seldom wanted, and known only at the end: so the content is read once more.
async function hashSimple(content: Chunks, bodyStart: number): Promise<string> {
  const body = new SimpleBody()
  let skip = bodyStart
  for await (const chunk of content()) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    body.update(bytes.subarray(skip))
    skip = Math.max(0, skip - bytes.length)
  }
  return body.digest()
}

function hasWholeHeader(top: Buffer): boolean {
  return top.indexOf('\r\n') === 0 || top.includes('\r\n\r\n') || top.length > LONGEST_HEADER
}

function signWithAll(
  header: Header,
  form: BodyForm,
  bodyHash: string,
  signing: Signing,
  now: number,
): Promise<Buffer> {
  const { names, canonical } = signedFields(header.fields)
  const common = { signing, time: Math.floor(now / 1000), names: foldNames(names), form, bodyHash }
  const { keys } = signing
  return new Promise((resolve, reject) => {
    const done: string[] = []
    let left = keys.length
    if (left === 0) resolve(Buffer.alloc(0))
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!
      signField(unsignedField({ ...common, key }), canonical, key, (error, field) => {
        if (error !== null) return reject(error)
        done[index] = field
        if (--left === 0) resolve(Buffer.from(done.join(''), 'latin1'))
      })
    }
  })
}

function signField(unsigned: string, canonical: string, key: SigningKey, signed: Signed): void {
  const bytes = Buffer.from(canonical + relaxUnsigned(unsigned), 'latin1')
  signRelaxed(bytes, key, (error, signature) => {
    if (error !== null) signed(cannot(key, error), '')
    else signed(null, signedField(unsigned, signature.toString('base64')))
  })
}

/** Signs what RFC 6376 3.7 calls the data hash's input; Ed25519 signs its SHA-256 (RFC 8463 3). */
export function signRelaxed(
  bytes: Buffer,
  { key, algorithm }: SigningKey,
  signed: (error: Error | null, signature: Buffer) => void,
): void {
  if (algorithm === 'rsa-sha256') signBytes('sha256', bytes, key, signed)
  else signBytes(null, hash('sha256', bytes, 'buffer'), key, signed)
}

function cannot(key: SigningKey, cause: Error): Error {
  return new Error(`Cannot sign with the key of selector "${key.selector}"`, { cause })
}
