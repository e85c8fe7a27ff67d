// AUTH to a smart host (RFC 4954): PLAIN, or LOGIN where it offers no more. A password goes out
// under verified TLS only, unless the operator's rule says that it may without.

import type { TlsFact } from '../mail/event.ts'
import type { Reply } from '../mail/reply.ts'
import type { Dialogue } from './dialogue.ts'
import type { Offers } from './hello.ts'
import type { Found, Loss } from './judge.ts'
import type { Target } from './parts.ts'

/** What went wrong; `undefined` when we are in, or have nothing to say. */
export async function authenticate(
  dialogue: Dialogue,
  target: Target,
  offers: Offers,
  tls: TlsFact | undefined,
): Promise<Found | undefined> {
  const { credentials } = target
  if (credentials === undefined) return undefined
  if (!isSafe(target, tls)) return given('The password is sent over verified TLS only')
  const { user, password } = credentials
  if (offers.auth.includes('PLAIN')) return plain(dialogue, user, password)
  if (offers.auth.includes('LOGIN')) return login(dialogue, user, password)
  return given('The server offers neither AUTH PLAIN nor AUTH LOGIN')
}

// Where the rule waives verification, TLS that was asked for must still be there: a server that
// hides STARTTLS must not get the password in clear.
function isSafe(target: Target, tls: TlsFact | undefined): boolean {
  if (tls?.verified === true) return true
  if (target.credentials?.withoutVerification !== true) return false
  return tls !== undefined || target.tls === 'none'
}

async function plain(
  dialogue: Dialogue,
  user: string,
  password: string,
): Promise<Found | undefined> {
  return accepted(await dialogue.ask(`AUTH PLAIN ${encode(`\0${user}\0${password}`)}\r\n`, 'auth'))
}

async function login(
  dialogue: Dialogue,
  user: string,
  password: string,
): Promise<Found | undefined> {
  let said = await dialogue.ask('AUTH LOGIN\r\n', 'auth')
  for (const answer of [user, password]) {
    if (!('code' in said) || said.code !== 334) break
    said = await dialogue.ask(`${encode(answer)}\r\n`, 'auth')
  }
  return accepted(said)
}

function accepted(said: Reply | Loss): Found | undefined {
  if (!('code' in said)) return { kind: 'loss', stage: 'auth', loss: said }
  return said.code === 235 ? undefined : { kind: 'reply', stage: 'auth', reply: said }
}

function given(text: string): Found {
  return { kind: 'loss', stage: 'auth', loss: { kind: 'stopped', text } }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}
