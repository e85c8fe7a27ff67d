// The exchanges of AUTH PLAIN (RFC 4616) and LOGIN, as lines in and a step out. They carry
// names and passwords to the throttle and keep neither.

import type { ReplyLine } from './reply.ts'
import { SAY } from './reply.ts'

export type Step =
  | { readonly kind: 'challenge'; readonly reply: ReplyLine }
  | { readonly kind: 'credentials'; readonly name: string; readonly password: string }
  | { readonly kind: 'refused'; readonly reply: ReplyLine }

/** Takes what the client answers, without the line end. */
export type Exchange = (line: string) => Step

export const MECHANISMS = 'PLAIN LOGIN'

const MALFORMED: Step = { kind: 'refused', reply: SAY.loginMalformed }

/** `undefined` when the mechanism is not offered. */
export function startExchange(mechanism: string): { first: Step; exchange: Exchange } | undefined {
  if (mechanism === 'PLAIN') return { first: challenge(''), exchange: cancellable(readPlain) }
  if (mechanism === 'LOGIN')
    return { first: challenge('Username:'), exchange: cancellable(createLogin()) }
  return undefined
}

function challenge(text: string): Step {
  return { kind: 'challenge', reply: `334 ${Buffer.from(text).toString('base64')}\r\n` }
}

function cancellable(read: (text: string) => Step): Exchange {
  return (line) => {
    if (line === '*') return { kind: 'refused', reply: SAY.loginCancelled }
    const text = decode(line)
    return text === undefined ? MALFORMED : read(text)
  }
}

// authorization identity NUL name NUL password; nobody may act as somebody else.
function readPlain(text: string): Step {
  const [identity, name, password, ...rest] = text.split('\0')
  if (identity === undefined || !name || !password || rest.length > 0) return MALFORMED
  if (identity !== '' && identity !== name) return { kind: 'refused', reply: SAY.loginBad }
  return { kind: 'credentials', name, password }
}

function createLogin(): (text: string) => Step {
  let name: string | undefined
  return (text) => {
    if (text === '' || text.includes('\0')) return MALFORMED
    if (name !== undefined) return { kind: 'credentials', name, password: text }
    name = text
    return challenge('Password:')
  }
}

/** RFC 4954 4: `=` stands for nothing. */
function decode(line: string): string | undefined {
  if (line === '=') return ''
  if (line.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(line)) return undefined
  return Buffer.from(line, 'base64').toString('utf8')
}
