// EHLO and HELO (RFC 5321 4.1.1.1): what a client calls itself, and what we offer it.

import { traceName } from '../../submit/header/received.ts'
import { MECHANISMS } from './sasl.ts'

export interface Hello {
  /** As `Received` may carry it. */
  readonly name: string
  /** It said EHLO. */
  readonly extended: boolean
}

/** Any word is taken: what it names is nobody's proof of anything. */
export function parseHello(name: string, extended: boolean): Hello | undefined {
  return /^[!-~\x80-\xff]{1,300}$/.test(name) ? { name: traceName(name), extended } : undefined
}

export function keywords(size: number, startTls: boolean, login: boolean): string[] {
  const words = ['PIPELINING', `SIZE ${size}`, '8BITMIME', 'SMTPUTF8']
  words.push('ENHANCEDSTATUSCODES', 'DSN', 'CHUNKING')
  if (startTls) words.push('STARTTLS')
  if (login) words.push(`AUTH ${MECHANISMS}`)
  return words
}

/** RFC 3848 and 6531 4.3. */
export function protocolName(
  extended: boolean,
  utf8: boolean,
  secure: boolean,
  user: boolean,
): string {
  const name = utf8 ? 'UTF8SMTP' : extended ? 'ESMTP' : 'SMTP'
  return name + (secure ? 'S' : '') + (user ? 'A' : '')
}
