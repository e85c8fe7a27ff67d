// The pure parts of waiting: schedules, verdicts and the steps of trouble.

import { expect, test } from 'vitest'
import { nextAttempt } from '../../src/delivery/retry.ts'
import { Trouble } from '../../src/delivery/trouble.ts'
import { verdictOf } from '../../src/delivery/verdict.ts'
import { parseAddress } from '../../src/mail/address.ts'
import type { Outcome } from '../../src/mail/outcome.ts'
import type { DeliveryId, Recipient } from '../../src/queue/port.ts'

const MINUTE = 60_000
const RETRY = [MINUTE, 5 * MINUTE, 15 * MINUTE]

const waits: [attempts: number, chance: number, minutes: number][] = [
  [1, 0, 1],
  [2, 0, 5],
  [3, 0, 15],
  [9, 0, 15],
  [2, 1, 5.5],
  [0, 0, 1],
]
for (const [attempts, chance, minutes] of waits)
  test(`after attempt ${attempts} with chance ${chance} the next is ${minutes} minutes away`, () => {
    expect(nextAttempt(RETRY, attempts, 1000, chance)).toBe(1000 + minutes * MINUTE)
  })

const bo: Recipient = { n: 0, address: parseAddress('bo@far.example')!, attempts: 0, due: 0 }
const ana = parseAddress('ana@near.example')!
const terms = { sender: ana, retry: RETRY, expireAt: 600 * MINUTE, now: 0, chance: 0 }

function outcome(kind: Outcome['kind']): Outcome {
  const reply = { code: 450, text: 'so it said' }
  return { kind, stage: 'rcpt', scope: 'recipient', reply, by: 'server' }
}

test('what was delivered ends, and what was refused bounces with a notice', () => {
  expect(verdictOf(outcome('delivered'), bo, terms)).toEqual({ kind: 'end', end: 'delivered' })
  const bounced = { kind: 'end', end: 'bounced', notice: 'sent' }
  expect(verdictOf(outcome('refused'), bo, terms)).toEqual(bounced)
})

test('nobody is told of a bounce who has no address or did not want to know', () => {
  const nobody = { ...terms, sender: undefined }
  expect(verdictOf(outcome('refused'), bo, nobody)).toMatchObject({ notice: 'null sender' })
  const quiet: Recipient = { ...bo, notify: ['never'] }
  expect(verdictOf(outcome('refused'), quiet, terms)).toMatchObject({ notice: 'not wanted' })
})

test('an unknown outcome waits one step longer than a deferral', () => {
  expect(verdictOf(outcome('deferred'), bo, terms)).toEqual({ kind: 'retry', due: MINUTE })
  expect(verdictOf(outcome('unknown'), bo, terms)).toEqual({ kind: 'retry', due: 5 * MINUTE })
})

test('what has no attempt left waits until it expires', () => {
  const short = { ...terms, expireAt: 30_000 }
  expect(verdictOf(outcome('deferred'), bo, short)).toEqual({ kind: 'retry', due: 30_000 })
})

test('trouble steps by the schedule while it lasts, and begins anew after it is over', () => {
  const trouble = new Trouble()
  expect(trouble.step(RETRY, 0, 0, 'dead')).toBe(MINUTE)
  expect(trouble.suspended(MINUTE - 1)).toBe(true)
  expect(trouble.suspended(MINUTE)).toBe(false)
  expect(trouble.probing).toBe(true)
  expect(trouble.step(RETRY, MINUTE, 0, 'dead')).toBe(6 * MINUTE)
  trouble.over()
  expect(trouble.probing).toBe(false)
  expect(trouble.step(RETRY, 0, 0, 'dead')).toBe(MINUTE)
})

test('three different deliveries in a row are trouble, one delivery three times is not', () => {
  const trouble = new Trouble()
  const [one, two, three] = ['a-1', 'b-1', 'c-1'] as DeliveryId[]
  expect([one!, one!, one!, two!].map((id) => trouble.strike(id))).not.toContain(true)
  expect(trouble.strike(three!)).toBe(true)
  trouble.over()
  expect([one!, two!].map((id) => trouble.strike(id))).not.toContain(true)
})
