// AUTH to a smart host (RFC 4954): PLAIN, or LOGIN where that is not offered or not taken after all.
// Whether a password may go out over this connection is known before (see fits.ts); whatever the server
// says of it comes back without it.

import { classOf, formatReply } from '../../mail/reply.ts'
import type { Reply } from '../../mail/reply.ts'
import type { Dialogue } from '../wire/dialogue.ts'
import type { Offers } from '../wire/hello.ts'
import { hiderOf } from './hide.ts'
import type { Credentials, Found, Loss } from '../connection.ts'

/** What went wrong; `undefined` when we are in. */
export function authenticate(
  dialogue: Dialogue,
  credentials: Credentials,
  offers: Offers,
): Promise<Found | undefined> {
  dialogue.hide(hiderOf(credentials.user, credentials.password))
  return tryEach(dialogue, offers.auth, credentials)
}

/** PLAIN first: it is one round trip. */
const MECHANISMS = { PLAIN: plain, LOGIN: login } as const

async function tryEach(
  dialogue: Dialogue,
  offered: readonly string[],
  credentials: Credentials,
): Promise<Found | undefined> {
  let found: Found | undefined
  for (const [name, logIn] of Object.entries(MECHANISMS)) {
    if (!offered.includes(name)) continue
    const said = await logIn(dialogue, credentials)
    found = accepted(said)
    const isOver = 'code' in said ? !isAboutMechanism(said) : dialogue.loss !== undefined
    if (isOver) return found
  }
  return found ?? notAsked(`The server offers neither AUTH PLAIN nor AUTH LOGIN${others(offered)}`)
}

// RFC 4954 6: 504 and 534 refuse the way to log in, and so do those who do not know the command. Where
// it is the password that is refused (535), another try would count as one more guess.
function isAboutMechanism({ code, status }: Reply): boolean {
  if ([500, 501, 502, 504, 534].includes(code)) return true
  return status === '5.7.4' || status === '5.5.4'
}

function others(offered: readonly string[]): string {
  return offered.length === 0 ? '' : `, but ${offered.join(' ').slice(0, 100)}`
}

async function plain(dialogue: Dialogue, { user, password }: Credentials): Promise<Reply | Loss> {
  const word = encode(`\0${user}\0${password}`)
  const said = await dialogue.ask(`AUTH PLAIN ${word}\r\n`, 'auth')
  // Some servers do not look at a response that comes with the command, and ask for it.
  return answerEach(dialogue, said, [word])
}

async function login(dialogue: Dialogue, { user, password }: Credentials): Promise<Reply | Loss> {
  const said = await dialogue.ask('AUTH LOGIN\r\n', 'auth')
  return answerEach(dialogue, said, [encode(user), encode(password)])
}

/** An answer to each challenge; who wants more than these is told to stop (RFC 4954 4). */
async function answerEach(
  dialogue: Dialogue,
  first: Reply | Loss,
  answers: readonly string[],
): Promise<Reply | Loss> {
  let said = first
  for (const answer of answers) {
    if (!isChallenge(said)) return said
    said = await dialogue.ask(`${answer}\r\n`, 'auth')
  }
  if (!isChallenge(said)) return said
  const stopped = await dialogue.ask('*\r\n', 'auth')
  if (isChallenge(stopped)) dialogue.giveUp('The server never ends to ask')
  return wantsMore(said)
}

function isChallenge(said: Reply | Loss): said is Reply {
  return 'code' in said && said.code === 334
}

function wantsMore(challenge: Reply): Loss {
  const text = `The server asks for more than a user and a password: "${formatReply(challenge)}"`
  return { kind: 'garbled', text }
}

function accepted(said: Reply | Loss): Found | undefined {
  if (!('code' in said)) return { kind: 'loss', stage: 'auth', loss: said }
  // RFC 4954 6 has 235 alone; who says 250 means the same.
  return classOf(said) === 'success' ? undefined : { kind: 'reply', stage: 'auth', reply: said }
}

/** Our own reason not to log in. */
export function notAsked(text: string): Found {
  return { kind: 'loss', stage: 'auth', loss: { kind: 'stopped', text } }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}
