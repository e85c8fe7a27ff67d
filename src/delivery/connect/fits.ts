// Where what must be true of a connection meets what is true of it. One answer decides both: whether a new
// connection may go on, and whether an open one may carry mail that another opened it for.

import type { TlsFact } from '../../mail/event.ts'
import type { Requirement, TlsLevel } from '../../mail/path.ts'
import type { ConnectionFact } from '../connection.ts'

/**
 * What is missing, the first of: the source, TLS, TLS that a password may go out over, the login. A new
 * connection that lacks nothing but the login may log in.
 */
export type Lack = 'source' | 'tls' | 'tls for the password' | 'login'

type Fact = Pick<ConnectionFact, 'boundTo' | 'tls' | 'login'>

/** Mail that asks for this may go over a connection of which that is true. */
export function fits(fact: Fact, must: Requirement): boolean {
  return lackOf(fact, must) === undefined
}

export function lackOf(fact: Fact, must: Requirement): Lack | undefined {
  // Who asked for a source has a reputation there that nobody else is to use.
  if (fact.boundTo !== must.source) return 'source'
  if (!reaches(fact.tls, must.tls)) return 'tls'
  if (fact.login === must.login?.user) return undefined
  if (must.login === undefined) return 'login'
  return reaches(fact.tls, levelForPassword(must)) ? 'login' : 'tls for the password'
}

function reaches(tls: TlsFact | undefined, level: TlsLevel): boolean {
  switch (level) {
    case 'none':
      return tls === undefined
    case 'opportunistic':
      return true
    case 'required':
      return tls !== undefined
    case 'verified':
      return tls?.verified === true
  }
}

// Where the rule waives verification, TLS that was asked for must still be there: a server that hides
// STARTTLS must not get the password in clear.
function levelForPassword({ tls, login }: Requirement): TlsLevel {
  if (login?.withoutVerification !== true) return 'verified'
  return tls === 'none' ? 'none' : 'required'
}
