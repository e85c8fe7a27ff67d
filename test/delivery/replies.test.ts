// Whom a reply is about, by its words: real servers' sentences, each with who writes so.

import { expect, test } from 'vitest'
import { judge } from '../../src/delivery/decide/judge.ts'
import { accuses, isTooFast, isTooManyAtOnce, wantsTls } from '../../src/delivery/decide/replies.ts'
import type { Stage } from '../../src/mail/outcome.ts'
import type { Reply } from '../../src/mail/reply.ts'

function replyOf(text: string): Reply {
  const [, code, status, rest] = /^(\d{3}) (?:(\d\.\d{1,3}\.\d{1,3}) )?(.*)$/.exec(text)!
  return { code: Number(code), text: rest!, ...(status === undefined ? {} : { status }) }
}

const OF_US: [stage: Stage, said: string, accusation: 'surely' | 'by its words'][] = [
  ['mail', '530 5.7.0 Authentication required', 'surely'],
  ['mail', '530 Authentication required', 'surely'],
  ['rcpt', '530 5.7.0 Must issue a STARTTLS command first', 'surely'],
  ['mail', '535 5.7.8 Error: authentication failed', 'surely'],
  ['data', '535 5.7.139 Authentication unsuccessful', 'surely'], // Exchange Online
  ['mail', '538 5.7.11 Encryption required', 'surely'],
  ['mail', '534 5.7.9 Please log in with your web browser', 'surely'], // Gmail
  ['mail', '550 5.7.30 Basic authentication is not supported for Client Submission', 'surely'],
  ['dot', '550 5.7.57 Client not authenticated to send mail', 'surely'], // Exchange Online
  ['rcpt', '554 5.7.1 <bo@far.example>: Relay access denied', 'by its words'], // Postfix
  ['rcpt', '550 relay not permitted', 'by its words'], // Exim
  ['rcpt', '550 5.7.1 Unable to relay', 'by its words'], // Exchange
  ['rcpt', '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', 'by its words'],
  ['rcpt', "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", 'by its words'],
  ['rcpt', '554 5.7.1 <relay[192.0.2.1]>: Client host rejected: Access denied', 'by its words'],
  ['mail', '553 5.7.1 <a@near.example>: Sender address rejected: not logged in', 'by its words'],
  ['mail', '554 5.7.1 Your account has been suspended', 'by its words'],
  ['mail', '554 5.7.0 Account blocked', 'by its words'],
  ['mail', '550 5.4.5 Daily user sending quota exceeded', 'by its words'], // Gmail
  ['dot', '550 5.4.6 Unable to relay: daily limit', 'by its words'],
  ['dot', '554 5.7.1 Account suspended, contact support', 'by its words'],
]
for (const [stage, said, accusation] of OF_US) {
  test(`at ${stage} "${said}" refuses us, ${accusation}`, () => {
    const reply = replyOf(said)
    expect(accuses(stage, reply)).toBe(accusation)
    const found = { kind: 'reply', stage, reply } as const
    const named = { named: true, tlsFailed: false }
    expect(judge(found, named)).toMatchObject({ kind: 'deferred', scope: 'way' })
    // A host that was found by MX owes us nothing.
    expect(judge(found, { ...named, named: false }).kind).toBe('refused')
    if (accusation === 'by its words')
      expect(judge(found, { ...named, aboutMessage: true }).kind).toBe('refused')
  })
}

const OF_MAIL: [stage: Stage, said: string][] = [
  ['dot', '554 5.7.0 Reject, id=31-02 - INFECTED: Eicar-Signature'], // amavis
  ['dot', '554 5.7.1 Message contains a virus'],
  ['dot', '550 5.7.1 Our system has detected that this message is likely unsolicited mail'],
  ['dot', '550 5.7.26 Unauthenticated email from near.example is not accepted'], // Gmail
  ['dot', "550 5.7.1 Unauthenticated email is not accepted due to domain's DMARC policy"],
  ['mail', '550 5.7.1 SPF check failed'],
  ['mail', '553 5.7.1 <a@near.example>: Sender address rejected: not owned by user me'], // Postfix
  ['dot', '550 5.7.60 SMTP; Client does not have permissions to send as this sender'], // Exchange
  ['rcpt', '550 5.1.1 The email account that you tried to reach does not exist'], // Gmail
  ['rcpt', '550 No such account here'],
  ['rcpt', '554 5.7.1 <bo@far.example>: Recipient address rejected: Access denied'], // Postfix
  ['rcpt', '552 5.2.2 Over quota'],
  ['rcpt', '550 Requested action not taken: mailbox unavailable'],
  ['mail', '501 5.1.7 Bad sender address syntax'],
]
for (const [stage, said] of OF_MAIL) {
  test(`at ${stage} "${said}" is about this mail, from a named hop too`, () => {
    const reply = replyOf(said)
    expect(accuses(stage, reply)).toBeUndefined()
    const outcome = judge({ kind: 'reply', stage, reply }, { named: true, tlsFailed: false })
    expect(outcome.scope).not.toBe('way')
  })
}

const PACE: [said: string, means: 'too fast' | 'too many at once' | 'neither'][] = [
  ['450 4.7.1 Error: too much mail from 192.0.2.1', 'too fast'], // Postfix
  ['450 4.7.1 Error: too many recipients from 192.0.2.1', 'too fast'], // Postfix
  ['451 4.4.5 Rate limit exceeded, try again later', 'too fast'], // stalwart
  ['454 Throttling failure: Maximum sending rate exceeded', 'too fast'], // SES
  ['451 4.7.500 Server busy. Please try again later', 'too fast'], // Exchange Online
  ['421 4.7.28 An unusual rate of unsolicited mail', 'too fast'], // Gmail
  ['421 4.7.0 [TSS04] temporarily deferred due to unexpected volume', 'too fast'], // Yahoo
  ['450 4.2.1 The user you are trying to contact is receiving mail too quickly', 'neither'], // Gmail
  ['421 4.3.2 Too many open connections.', 'too many at once'], // sendmail
  ['432 4.3.2 Concurrent connections limit exceeded', 'too many at once'], // Exchange Online
  ['421 Too many concurrent SMTP connections; please try again later', 'too many at once'], // Exim
  ['450 4.2.0 Greylisted, please try again in 300 seconds', 'neither'],
  ['451 4.3.0 Temporary lookup failure', 'neither'],
  ['550 5.7.1 Rate limit exceeded', 'neither'], // final: what it is about is another question
]
for (const [said, means] of PACE) {
  test(`"${said}" says ${means}`, () => {
    const reply = replyOf(said)
    expect([isTooFast(reply), isTooManyAtOnce(reply)]).toEqual([
      means === 'too fast',
      means === 'too many at once',
    ])
  })
}

test.for([
  '530 5.7.0 Must issue a STARTTLS command first',
  '550 5.7.10 Encryption needed',
  '454 4.7.0 TLS not available due to temporary reason',
  '554 5.7.1 Secure connection required',
])('where TLS failed, "%s" is trouble of TLS, by MX too', (said) => {
  const reply = replyOf(said)
  expect(wantsTls(reply)).toBe(true)
  const found = { kind: 'reply', stage: 'mail', reply } as const
  expect(judge(found, { named: false, tlsFailed: true })).toMatchObject({
    kind: 'deferred',
    scope: 'way',
  })
})
