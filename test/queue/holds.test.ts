// Which hold is told of a recipient, and what a hold does to its times.

import { expect, test } from 'vitest'

import type { Destination } from '../../src/mail/destination.ts'
import { formatScope, lengthOfStay, parseScope, underHolds } from '../../src/queue/holds.ts'
import type { Entry, StandingHold } from '../../src/queue/port/reader.ts'
import type { DeliveryId, MessageId } from '../../src/queue/port/types.ts'

const ENTRY: Entry = {
  id: 'm1' as MessageId,
  delivery: 'm1-1' as DeliveryId,
  n: 0,
  state: 'waiting',
  from: '',
  to: 'bo@far.example',
  queue: 'bulk',
  destination: 'far.example' as Destination,
  acceptedAt: 0,
  attempts: 0,
  next: 5,
  size: 1,
}
const ALL: StandingHold = { scope: { kind: 'all' }, who: 'ana', why: 'one', at: 1 }
const BULK: StandingHold = { scope: { kind: 'queue', name: 'bulk' }, who: 'bo', why: 'two', at: 2 }
const OTHER: StandingHold = { ...BULK, scope: { kind: 'queue', name: 'urgent' } }

test('mail that a hold has not come to yet is told as held by it, the widest first', () => {
  const [entry] = underHolds([ENTRY], [OTHER, BULK, ALL])
  const held = { who: 'ana', why: 'one', scope: ALL.scope, since: 1, also: [BULK] }
  expect(entry).toEqual({ ...ENTRY, state: 'held', held, next: undefined })
  expect(Object.keys(entry!)).not.toContain('next')
})

test('what is under way, has ended or was refused is told as it is', () => {
  for (const state of ['sending', 'delivered'] as const)
    expect(underHolds([{ ...ENTRY, state }], [ALL])).toEqual([{ ...ENTRY, state }])
  const refused = { ...ENTRY, refused: { who: 'ana', why: 'spam' } }
  expect(underHolds([refused], [ALL])).toEqual([refused])
  expect(underHolds([ENTRY], [OTHER])).toEqual([ENTRY])
})

test('a scope is one text, whatever its name has in it', () => {
  for (const text of ['all', 'queue:bulk', 'destination:mx.example:25'])
    expect(formatScope(parseScope(text))).toBe(text)
})

test('times move by as long as mail was held, and never to before now', () => {
  const stay = { since: 100, now: 400, acceptedAt: 0, expireAt: 10 ** 9, heldFor: 0 }
  expect(lengthOfStay(stay)).toBe(300)
  // The clock was set back.
  expect(lengthOfStay({ ...stay, since: 500 })).toBe(0)
  // Of a lifetime of 150 nothing is left: it has that once more.
  expect(lengthOfStay({ ...stay, expireAt: 250, heldFor: 100 })).toBe(300)
  expect(lengthOfStay({ ...stay, since: 399, expireAt: 250, heldFor: 100 })).toBe(300)
})
