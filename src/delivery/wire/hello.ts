// EHLO, and what a server offers in its answer (RFC 5321 4.1.1.1).

import { classOf } from '../../mail/reply.ts'
import type { Reply } from '../../mail/reply.ts'
import type { Dialogue } from './dialogue.ts'
import type { Found } from '../connection.ts'

export interface Offers {
  readonly pipelining: boolean
  /** Bytes; 0 when it offers SIZE without a limit, `undefined` when it does not offer SIZE. */
  readonly size: number | undefined
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  readonly startTls: boolean
  /** Mechanisms of AUTH, upper case. */
  readonly auth: readonly string[]
}

export type Greeted =
  | { readonly kind: 'offers'; readonly offers: Offers }
  /** `speaks`: what the server seems to speak instead, as the end of a sentence about it. */
  | { readonly kind: 'failed'; readonly found: Found; readonly speaks?: string }

/** EHLO, or HELO for a server that does not know it. */
export async function hello(dialogue: Dialogue, name: string): Promise<Greeted> {
  const reply = await dialogue.ask(`EHLO ${name}\r\n`, 'hello')
  if (!('code' in reply)) return failed({ kind: 'loss', stage: 'hello', loss: reply })
  if (classOf(reply) === 'success') return { kind: 'offers', offers: readOffers(reply) }
  if (classOf(reply) !== 'permanent') return failed({ kind: 'reply', stage: 'hello', reply })
  const plain = await dialogue.ask(`HELO ${name}\r\n`, 'hello')
  if (!('code' in plain)) return failed({ kind: 'loss', stage: 'hello', loss: plain })
  if (classOf(plain) === 'success') return { kind: 'offers', offers: NOTHING }
  const refused = failed({ kind: 'reply', stage: 'hello', reply: plain })
  return reply.code === 500 && plain.code === 500 ? { ...refused, speaks: LMTP } : refused
}

// RFC 2033 4.1: there it is LHLO, and the other two are refused.
const LMTP = 'knows neither EHLO nor HELO: it may speak LMTP, where Waypost speaks SMTP'

function failed(found: Found): Extract<Greeted, { kind: 'failed' }> {
  return { kind: 'failed', found }
}

const NOTHING: Offers = {
  pipelining: false,
  size: undefined,
  eightBit: false,
  smtpUtf8: false,
  dsn: false,
  startTls: false,
  auth: [],
}

export function readOffers(reply: Reply): Offers {
  const offered = new Map<string, string>()
  for (const line of reply.text.split('\n').slice(1)) {
    // Some old servers write "AUTH=LOGIN PLAIN".
    const [, keyword = '', rest = ''] = /^([a-z0-9-]+)[ =]?(.*)$/i.exec(line.trim()) ?? []
    const key = keyword.toUpperCase()
    if (!offered.has(key) || key === 'AUTH')
      offered.set(key, `${offered.get(key) ?? ''} ${rest}`.trim())
  }
  const size = offered.get('SIZE')
  return {
    pipelining: offered.has('PIPELINING'),
    size: size === undefined ? undefined : /^\d{1,15}$/.test(size) ? Number(size) : 0,
    eightBit: offered.has('8BITMIME'),
    smtpUtf8: offered.has('SMTPUTF8'),
    dsn: offered.has('DSN'),
    startTls: offered.has('STARTTLS'),
    auth: (offered.get('AUTH') ?? '')
      .toUpperCase()
      .split(/[\s,:]+/)
      .filter(Boolean),
  }
}
