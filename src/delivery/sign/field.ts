// The DKIM-Signature field as text: its tags folded to short lines, and the form of it that is
// itself signed. Every fold here is CRLF and one space, so the relaxed form is the same text with
// spaces for folds.

import type { Signing, SigningKey } from '../../policy/policy.ts'

/** Lines stay under 78 characters (RFC 5322 2.1.1), but for a domain or selector longer than that. */
const WIDTH = 76
const FOLD = '\r\n '

/** The canonicalization of the body; that of the header is always relaxed. */
export type BodyForm = 'relaxed' | 'simple'

export interface Claims {
  readonly signing: Signing
  readonly key: SigningKey
  /** Seconds since 1970. */
  readonly time: number
  /** The folded value of `h=`. */
  readonly names: string
  readonly form: BodyForm
  readonly bodyHash: string
}

/** The field up to and with `b=`, as it is before it is signed. */
export function unsignedField({ signing, key, time, names, form, bodyHash }: Claims): string {
  const origin = fold(['s=' + key.selector + ';', `t=${time};`], ` d=${signing.domain};`)
  return (
    `DKIM-Signature: v=1; a=${key.algorithm}; c=relaxed/${form};\r\n${origin}` +
    `${FOLD}h=${names};${FOLD}bh=${bodyHash};${FOLD}b=`
  )
}

/** What of the field goes into its own signature (RFC 6376 3.7): relaxed, `b=` empty, no CRLF. */
export function relaxUnsigned(field: string): string {
  return 'dkim-signature:' + field.slice('DKIM-Signature: '.length).replaceAll(FOLD, ' ')
}

/** The value of `h=`, folded behind colons; computed once for all keys. */
export function foldNames(names: readonly string[]): string {
  let text = ''
  let width = ' h='.length
  for (let at = 0; at < names.length; at++) {
    const name = at === 0 ? names[at]! : ':' + names[at]!
    if (width + name.length > WIDTH) {
      text += `:${FOLD}${name.slice(1)}`
      width = name.length
    } else {
      text += name
      width += name.length
    }
  }
  return text
}

/** The whole field with its signature in base64, ended by CRLF. */
export function signedField(unsigned: string, signature: string): string {
  let text = unsigned + signature.slice(0, WIDTH - 3)
  for (let at = WIDTH - 3; at < signature.length; at += WIDTH - 1)
    text += FOLD + signature.slice(at, at + WIDTH - 1)
  return text + '\r\n'
}

function fold(words: readonly string[], first: string): string {
  let text = first
  let width = first.length
  for (const word of words) {
    const fits = width + 1 + word.length <= WIDTH
    text += (fits ? ' ' : FOLD) + word
    width = (fits ? width : 0) + 1 + word.length
  }
  return text
}
