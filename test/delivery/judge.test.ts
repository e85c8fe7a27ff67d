// What each reply and each loss means, by the stage where it was met.

import { expect, test } from 'vitest'
import { BY_MX, judge } from '../../src/delivery/decide/judge.ts'
import type { NameFinding, Unfit } from '../../src/delivery/connection.ts'
import { saysTooMany } from '../../src/delivery/decide/replies.ts'
import type { Stage } from '../../src/mail/outcome.ts'

const REPLIES: [stage: Stage, code: number, kind: string, scope: string][] = [
  ['greeting', 554, 'deferred', 'site'],
  ['greeting', 521, 'deferred', 'site'], // RFC 7504: this host takes no mail; another may
  ['greeting', 421, 'deferred', 'site'],
  ['hello', 550, 'deferred', 'site'],
  ['starttls', 454, 'deferred', 'way'],
  ['starttls', 421, 'deferred', 'site'],
  ['auth', 535, 'deferred', 'way'],
  ['auth', 421, 'deferred', 'site'],
  ['mail', 451, 'deferred', 'message'],
  ['mail', 550, 'refused', 'message'],
  ['mail', 421, 'deferred', 'message'],
  ['rcpt', 450, 'deferred', 'recipient'],
  ['rcpt', 550, 'refused', 'recipient'],
  ['rcpt', 556, 'refused', 'recipient'],
  ['rcpt', 552, 'deferred', 'recipient'], // RFC 5321 4.5.3.1.10: it means 452
  ['rcpt', 421, 'deferred', 'message'],
  ['rcpt', 354, 'deferred', 'recipient'],
  ['data', 552, 'refused', 'message'],
  ['data', 451, 'deferred', 'message'],
  ['data', 250, 'deferred', 'message'],
  ['dot', 250, 'delivered', 'message'],
  ['dot', 451, 'deferred', 'message'],
  ['dot', 554, 'refused', 'message'],
  ['dot', 199, 'deferred', 'message'],
]
for (const [stage, code, kind, scope] of REPLIES) {
  test(`a ${code} at ${stage} is ${kind}, and speaks of the ${scope}`, () => {
    const reply = { code, text: 'so it said' }
    const outcome = judge({ kind: 'reply', stage, reply }, BY_MX)
    expect(outcome).toEqual({ kind, stage, scope, reply, by: 'server' })
  })
}

test('the basic code decides, whatever the text says: 421 5.7.32 is temporary', () => {
  const reply = { code: 421, text: '5.7.32 Your email has been rate limited' }
  expect(judge({ kind: 'reply', stage: 'dot', reply }, BY_MX).kind).toBe('deferred')
})

const LOSSES: [stage: Stage, kind: string, scope: string, status: string][] = [
  ['connect', 'deferred', 'site', '4.4.1'],
  ['greeting', 'deferred', 'site', '4.4.2'],
  ['hello', 'deferred', 'site', '4.4.2'],
  ['starttls', 'deferred', 'way', '4.7.5'],
  ['auth', 'deferred', 'way', '4.7.0'],
  ['mail', 'deferred', 'message', '4.4.2'],
  ['rcpt', 'deferred', 'message', '4.4.2'],
  ['data', 'deferred', 'message', '4.4.2'],
  ['dot', 'unknown', 'message', '4.4.2'],
]
for (const [stage, kind, scope, status] of LOSSES) {
  test(`a loss at ${stage} is ${kind}, and speaks of the ${scope}`, () => {
    const outcome = judge({ kind: 'loss', stage, loss: { kind: 'closed', text: 'gone' } }, BY_MX)
    expect(outcome).toMatchObject({ kind, scope, reply: { status, text: 'gone' }, by: 'relay' })
  })
}

const NAMES: [finding: NameFinding, kind: string, status: string][] = [
  ['trouble', 'deferred', '4.4.3'],
  ['no hop', 'deferred', '4.4.4'],
  ['no domain', 'refused', '5.1.2'],
  ['no host', 'refused', '5.1.2'],
  ['null mx', 'refused', '5.1.10'],
  ['no address', 'refused', '5.4.4'],
  ['guarded', 'refused', '5.4.4'],
  ['loop', 'refused', '5.4.6'],
]
for (const [finding, kind, status] of NAMES) {
  test(`"${finding}" of a name is ${kind} with ${status}`, () => {
    const outcome = judge({ kind: 'name', finding, text: 'so it is' }, BY_MX)
    expect(outcome).toMatchObject({ kind, stage: 'dns', scope: 'site', reply: { status } })
    expect(outcome.reply.code).toBeGreaterThanOrEqual(kind === 'refused' ? 500 : 400)
  })
}

const UNFIT: [unfit: Unfit, status: string][] = [
  ['too large', '5.3.4'],
  ['eight bit', '5.6.3'],
  ['utf-8', '5.6.7'],
]
for (const [unfit, status] of UNFIT) {
  test(`what is ${unfit} for the server is refused here with ${status}`, () => {
    const outcome = judge({ kind: 'unfit', unfit, text: 'it cannot' }, BY_MX)
    expect(outcome).toMatchObject({
      kind: 'refused',
      stage: 'here',
      reply: { status },
      by: 'relay',
    })
  })
}

const TOO_MANY: [code: number, status: string | undefined, too: boolean][] = [
  [452, undefined, true],
  [552, undefined, true],
  [452, '4.5.3', true],
  [550, '5.5.3', true],
  [452, '4.3.1', true],
  [452, '4.2.2', false],
  [552, '5.2.2', false],
  [450, undefined, false],
  [550, '5.1.1', false],
]
for (const [code, status, too] of TOO_MANY) {
  test(`${code} ${status ?? 'alone'} ${too ? 'says' : 'does not say'} too many recipients`, () => {
    const reply = { code, text: '', ...(status === undefined ? {} : { status }) }
    expect(saysTooMany(reply)).toBe(too)
  })
}

test('our own sentences are cut, whatever strangers put into them', () => {
  const text = 'x'.repeat(100_000)
  const lost = judge({ kind: 'loss', stage: 'starttls', loss: { kind: 'failed', text } }, BY_MX)
  const named = judge({ kind: 'name', finding: 'guarded', text }, BY_MX)
  expect([lost.reply.text.length, named.reply.text.length]).toEqual([2000, 2000])
})
