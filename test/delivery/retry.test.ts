// The pure parts of waiting: schedules, verdicts and the steps of trouble.

import { expect, test } from 'vitest'
import { nextAttempt } from '../../src/delivery/decide/retry.ts'
import { backOff } from '../../src/delivery/trouble/back-off.ts'
import { Strikes, Trouble } from '../../src/delivery/trouble/trouble.ts'
import { verdictOf } from '../../src/delivery/decide/verdict.ts'
import { parseAddress } from '../../src/mail/address.ts'
import type { Outcome } from '../../src/mail/outcome.ts'
import type { Recipient } from '../../src/queue/port/outflow.ts'
import type { DeliveryId } from '../../src/queue/port/types.ts'

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

const PATIENCE = { lifetime: 5 * 24 * 60 * MINUTE, isUrgent: false }

test('trouble steps back by minutes at the most, and begins anew after it is over', () => {
  const trouble = new Trouble()
  const steps: number[] = []
  for (let now = 0; steps.length < 8; now = trouble.until)
    steps.push((trouble.step('connect', PATIENCE, now, 0, 'dead') - now) / 1000)
  expect(steps).toEqual([10, 20, 40, 80, 160, 300, 300, 300])
  expect(trouble.suspended(trouble.until - 1)).toBe(true)
  expect(trouble.suspended(trouble.until)).toBe(false)
  expect(trouble.probing).toBe(true)
  trouble.over()
  expect(trouble.probing).toBe(false)
  expect(trouble.step('connect', PATIENCE, 0, 0, 'dead')).toBe(10_000)
})

test('the queue with the least patience bounds every pause, and urgent mail its own', () => {
  expect(backOff('connect', 9, { lifetime: 12_000, isUrgent: false }, 0)).toBe(3000)
  expect(backOff('connect', 9, { lifetime: 100, isUrgent: false }, 0)).toBe(1000)
  expect(backOff('connect', 9, { ...PATIENCE, isUrgent: true }, 0)).toBe(MINUTE)
  expect(backOff('connect', 9, PATIENCE, 1)).toBe(5.5 * MINUTE)
})

test('three different deliveries in a row speak of the site, and each speaks once', () => {
  const strikes = new Strikes()
  const [one, two, three, four] = ['a-1', 'b-1', 'c-1', 'd-1'] as DeliveryId[]
  const count = (id: DeliveryId, alike = 'lost') => strikes.count(id, alike, false)
  expect([one!, one!, one!, two!].map((id) => count(id))).not.toContain(true)
  expect(count(three!)).toBe(true)
  expect([one!, two!, three!, four!].map((id) => count(id))).not.toContain(true)
})

test('what ends otherwise, or goes through, ends the row', () => {
  const strikes = new Strikes()
  const ids = Array.from({ length: 8 }, (_, n) => `m${n}-1` as DeliveryId)
  expect([strikes.count(ids[0]!, 'a', false), strikes.count(ids[1]!, 'a', false)]).toEqual([
    false,
    false,
  ])
  expect(strikes.count(ids[2]!, 'b', false)).toBe(false)
  expect(strikes.count(ids[3]!, 'b', false)).toBe(false)
  strikes.clear()
  expect(strikes.count(ids[4]!, 'b', false)).toBe(false)
})

test('a site that is being probed is not suspended again by a batch with the same fault', () => {
  const strikes = new Strikes()
  const ids = Array.from({ length: 10 }, (_, n) => `m${n}-1` as DeliveryId)
  const said = ids.map((id) => strikes.count(id, 'lost', true))
  expect(said.indexOf(true)).toBe(9)
})
