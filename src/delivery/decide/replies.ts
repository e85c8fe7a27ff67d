// What a server's words say beyond code and stage: whom a reply is about. Codes alone do not tell, and
// many servers give no status, so their sentences are read: each pattern names who writes so. A reply
// that fits nothing here is judged by its code. Pure.

import type { Stage } from '../../mail/outcome.ts'
import { classOf } from '../../mail/reply.ts'
import type { Reply } from '../../mail/reply.ts'

/** One transaction cannot hold more recipients: this one goes on in another (RFC 5321 4.5.3.1.10). */
export function saysTooMany(reply: Reply): boolean {
  const { code } = reply
  if (isOfMailbox(reply) || isTooFast(reply)) return false
  if (refusesNumber(reply)) return true
  return code === 452 || code === 552
}

/**
 * The same of a whole transaction, at DATA or the dot, where 552 speaks of its size: Exim's
 * `recipients_max_reject` says `554 Too many recipients`.
 */
export function refusesNumber(reply: Reply): boolean {
  if (classOf(reply) === 'success') return false
  if (isOfMailbox(reply) || isTooFast(reply)) return false
  return (
    reply.status?.endsWith('.5.3') === true || /too many (recipients|rcpts?)\b/i.test(reply.text)
  )
}

/** x.1.z and x.2.z speak of one address or mailbox, whatever else they say. */
function isOfMailbox({ status }: Reply): boolean {
  return status?.[2] === '1' || status?.[2] === '2'
}

// Postfix: "too much mail from", "too many recipients from", "too many message delivery requests from";
// stalwart: "Rate limit exceeded"; SES: "Throttling failure: Maximum sending rate exceeded"; Exchange
// Online: "451 4.7.500 Server busy"; Yahoo: "temporarily deferred due to … volume"; Gmail: 4.7.28.
const TOO_FAST = [
  /too much mail/i,
  /too many (recipients|message delivery requests|messages|mails?|e-?mails?) from/i,
  /too (fast|quickly|frequent)/i,
  /\brate\b.{0,20}\b(limit|exceed|overlimit|too high)/i,
  /(limit|exceed|unusual|excessive)\w*.{0,20}\brate\b/i,
  /throttl/i,
  /slow(ing)? down/i,
  /server (is )?busy/i,
  /unexpected volume|volume of (mail|messages|traffic)/i,
]

/** We send faster than the server wants: it asks for a pause, whatever mail comes next. */
export function isTooFast(reply: Reply): boolean {
  if (classOf(reply) !== 'temporary' || isOfMailbox(reply)) return false
  return reply.status === '4.7.28' || TOO_FAST.some((words) => words.test(reply.text))
}

// sendmail: "Too many open connections"; Exchange: "Concurrent connections limit exceeded", "sender
// thread limit exceeded"; Exim: "Too many concurrent SMTP connections".
const TOO_MANY_AT_ONCE =
  /too many (open |concurrent |simultaneous |smtp )*(connections|sessions|clients)|concurren|simultaneous|thread limit|connection limit/i

/** We have more connections than the server wants. */
export function isTooManyAtOnce(reply: Reply): boolean {
  return classOf(reply) === 'temporary' && TOO_MANY_AT_ONCE.test(reply.text)
}

/** The server wants TLS before it says anything else (RFC 3207 4). */
export function wantsTls({ code, status, text }: Reply): boolean {
  if (code === 530 || status?.endsWith('.7.10') === true || status === '5.7.11') return true
  return code >= 400 && /starttls|\btls\b|encrypt|secure (connection|channel)/i.test(text)
}

/** How sure it is that a reply refuses us, whatever mail we bring. */
export type Accusation = 'surely' | 'by its words' | undefined

// RFC 4954 6: 530 answers any command of a session that is not logged in; 534, 535 and 538 are of AUTH
// alone. Exchange Online: 5.7.30 (Basic login is off), 5.7.57 (not authenticated to send mail), 5.7.139.
const OF_LOGIN_CODES = new Set([530, 534, 535, 538])
const OF_LOGIN_STATUSES = new Set(['7.8', '7.9', '7.30', '7.57', '7.139'])
// Statuses that say no more than "no" (RFC 3463), or that relays give when they mean us: Exchange 5.7.54
// (unable to relay), Gmail 5.4.5 and Exchange 5.4.6 for a quota of the account.
const VAGUE = new Set(['0.0', '5.1', '7.0', '7.1', '7.3', '7.54', '4.5', '4.6'])

const LOGIN =
  /\bauth(entication|enticated|enticate)?\b|unauthenticated|log(ged)?[ -]?(in|on)\b|credential|password/i
const RELAYING = /\brelay(ing)?\b|rcpthosts/i
const CLIENT = /client host|your (ip|host|server)\b|sender ip|blocked using/i
const ACCOUNT = /\baccounts?\b|\bsubscription\b|\bcredits?\b/i
const QUOTA =
  /\bquota|(daily|hourly|monthly|sending|message|recipient|outbound) (user )?(sending )?(limit|cap)/i
const OF_MAILBOX =
  /mailbox|no such|unknown (user|recipient)|user unknown|does(n't| not) (exist|have)/i
const OF_SENDER = /not owned by|\b(dmarc|spf|dkim)\b|domain'?s? policy|send as\b/i

/**
 * Whether it refuses us and not this mail: our login, our account, its quota, our right to relay. It is
 * asked of a next hop that an operator has named; a host that was found by MX owes us nothing.
 */
export function accuses(stage: Stage, reply: Reply): Accusation {
  const { code, status, text } = reply
  if (code < 400 || classOf(reply) === 'success') return undefined
  const about = status?.slice(2)
  if (OF_LOGIN_CODES.has(code) || (about !== undefined && OF_LOGIN_STATUSES.has(about)))
    return 'surely'
  if (classOf(reply) !== 'permanent' || (about !== undefined && !VAGUE.has(about))) return undefined
  if (OF_MAILBOX.test(text) || OF_SENDER.test(text)) return undefined
  const words =
    stage === 'rcpt' ? [LOGIN, RELAYING, CLIENT] : [LOGIN, RELAYING, CLIENT, ACCOUNT, QUOTA]
  return words.some((word) => word.test(text)) ? 'by its words' : undefined
}
