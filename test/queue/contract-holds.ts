// The contract, holds: what lies on mail keeps it, whatever is asked of the mail itself; it is told by name,
// and the time that mail was held is not taken from it.

import { describe, expect, test } from 'vitest'

import type { Queue } from '../../src/queue/port/queue.ts'
import type { StandingHold } from '../../src/queue/port/reader.ts'
import type { Open } from './contract.ts'
import { attempt, claimOne, deferred, delivered, HOUR, mailOf, send, statesOf } from './mail.ts'
import { takeFrom, takeOne, WHO } from './mail.ts'

const ALL = { kind: 'all' } as const
const FAR = { kind: 'destination', name: 'far.example' } as const
const DEFAULT = { kind: 'queue', name: 'default' } as const
const SCOPES: readonly StandingHold['scope'][] = [ALL, FAR, DEFAULT]
const OTHER = { who: 'cy', why: 'another reason' }

export function contractOfHolds(open: Open): void {
  for (const scope of SCOPES) describe(`a hold on ${scope.kind}`, () => contractOf(open, scope))

  test('a hold of its own stays when the hold that stands is gone, whichever came first', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const before = await send(queue, clock)
    await queue.steer('hold', { ids: [before] }, WHO)
    await queue.hold(ALL, OTHER)
    const after = await send(queue, clock)
    expect(await queue.steer('hold', { ids: [after] }, WHO)).toEqual({ count: 1, busy: 0 })
    const also = [expect.objectContaining({ scope: ALL, ...OTHER })]
    for (const id of [before, after]) {
      const { held } = await entryOf(queue, id)
      expect(held).toMatchObject({ ...WHO, also })
      expect(held!.scope).toBeUndefined()
    }
    expect(await queue.unhold(ALL, WHO)).toEqual({ count: 0, busy: 0 })
    expect(await statesOf(queue, before)).toEqual(['held'])
    expect(await statesOf(queue, after)).toEqual(['held'])
    expect(await queue.steer('release', {}, WHO)).toEqual({ count: 2, busy: 0 })
  })

  test('a hold of its own that is released leaves mail to the hold that stands', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    await queue.steer('hold', { to: 'a@far.example' }, WHO)
    await queue.hold(FAR, OTHER)
    const kept = [{ scope: FAR, count: 1 }]
    const released = await queue.steer('release', { to: 'a@far.example' }, WHO)
    expect(released).toEqual({ count: 0, busy: 0, kept })
    expect((await entryOf(queue, id)).held).toMatchObject({ ...OTHER, scope: FAR })
    expect(await queue.unhold(FAR, WHO)).toEqual({ count: 2, busy: 0 })
    expect(await statesOf(queue, id)).toEqual(['waiting', 'waiting'])
  })

  test('what another hold keeps is told when one is lifted', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const bulk = await send(queue, clock, { queue: 'bulk' })
    await send(queue, clock)
    const scope = { kind: 'queue', name: 'bulk' } as const
    await queue.hold(ALL, WHO)
    await queue.hold(scope, OTHER)
    const also = [expect.objectContaining({ scope, ...OTHER })]
    expect((await entryOf(queue, bulk)).held).toMatchObject({ ...WHO, scope: ALL, also })
    const kept = [{ scope, count: 1 }]
    expect(await queue.unhold(ALL, WHO)).toEqual({ count: 1, busy: 0, kept })
    expect((await entryOf(queue, bulk)).held).toMatchObject({ ...OTHER, scope })
  })

  test('a hold that is placed again is told by its new reason', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    await queue.hold(ALL, WHO)
    await queue.hold(ALL, OTHER)
    expect((await entryOf(queue, id)).held).toMatchObject({ ...OTHER, scope: ALL })
  })

  test('the time that mail is held is not taken from it', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const now = clock.now()
    const times = { warnAt: now + 5 * HOUR, expireAt: now + 10 * HOUR }
    const own = await send(queue, clock, times)
    const standing = await send(queue, clock, { ...times, to: ['bo@other.example'] })
    clock.pass(2 * HOUR)
    await queue.steer('hold', { ids: [own] }, WHO)
    await queue.hold({ kind: 'destination', name: 'other.example' }, WHO)
    clock.pass(100 * HOUR)
    await queue.steer('release', { ids: [own] }, WHO)
    await queue.unhold({ kind: 'destination', name: 'other.example' }, WHO)
    expect(await queue.overdue('expire', 5)).toEqual([])
    expect(await queue.overdue('warn', 5)).toEqual([])
    const leases = await queue.claim(5)
    const taken = await Promise.all(leases.map((lease) => takeFrom(queue, lease)))
    expect(taken.map(({ message }) => message).sort()).toEqual([own, standing].sort())
    for (const delivery of taken) {
      const moved = { warnAt: now + 105 * HOUR, expireAt: now + 110 * HOUR, heldFor: 100 * HOUR }
      expect(delivery).toMatchObject({ acceptedAt: now, ...moved })
    }
  })

  test('mail that was held when its time was nearly over has an hour for a try, or its lifetime', async () => {
    const cases: [lifetime: number, left: number][] = [
      [10 * HOUR, HOUR],
      [12_000, 12_000],
    ]
    for (const [lifetime, left] of cases) {
      await using opened = await open()
      const { queue, clock } = opened
      const expireAt = clock.now() + lifetime
      const id = await send(queue, clock, { expireAt })
      clock.pass(lifetime - 1)
      await queue.steer('hold', { ids: [id] }, WHO)
      clock.pass(HOUR)
      await queue.steer('release', { ids: [id] }, WHO)
      expect(await queue.overdue('expire', 5)).toEqual([])
      const { delivery } = await takeOne(queue)
      expect(delivery.expireAt).toBe(clock.now() + left)
      expect(delivery.heldFor).toBe(delivery.expireAt - expireAt)
    }
  })

  test('what comes late of an attempt leaves the hold that was placed meanwhile', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const { delivery } = await takeOne(queue)
    clock.pass(HOUR) // The lease lapses, and the delivery is given back.
    expect(await queue.claim(0)).toEqual([])
    expect(await statesOf(queue, id)).toEqual(['waiting'])
    await queue.steer('hold', { ids: [id] }, WHO)
    await queue.settle(
      delivery,
      attempt(clock, delivery, (n) => deferred(n, clock.now())),
    )
    expect((await entryOf(queue, id)).held).toMatchObject(WHO)
    expect(await queue.claim(5)).toEqual([])
  })

  test('mail that waits for its notice says who refused it', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    await queue.hold(ALL, OTHER)
    expect(await queue.steer('refuse', { ids: [id] }, WHO)).toEqual({ count: 1, busy: 0 })
    const entry = await entryOf(queue, id)
    expect(entry).toMatchObject({ state: 'waiting', refused: WHO })
    expect([entry.held, entry.next]).toEqual([undefined, undefined])
    expect(await queue.steer('release', { ids: [id] }, WHO)).toEqual({ count: 0, busy: 0 })
    expect(await queue.overdue('refuse', 5)).toHaveLength(1)
  })
}

function contractOf(open: Open, scope: StandingHold['scope']): void {
  test('keeps mail that is released or tried by its id, and that is what the act answers', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const waiting = await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    await queue.hold(scope, OTHER)
    const come = await send(queue, clock)
    for (const [id, count] of [
      [waiting, 2],
      [come, 1],
    ] as const) {
      const facts = (await queue.trace(id))!.facts.length
      const kept = [{ scope, count }]
      for (const act of ['release', 'retry'] as const)
        expect(await queue.steer(act, { ids: [id] }, WHO)).toEqual({ count: 0, busy: 0, kept })
      const trace = (await queue.trace(id))!
      expect(trace.facts).toHaveLength(facts)
      for (const entry of trace.entries) {
        expect(entry).toMatchObject({ state: 'held', held: { ...OTHER, scope } })
        expect(entry.next).toBeUndefined()
      }
    }
    expect(await queue.claim(5)).toEqual([])
    expect(await queue.nextDue()).toBeUndefined()
    expect(await queue.unhold(scope, WHO)).toEqual({ count: 3, busy: 0 })
    expect(await statesOf(queue, waiting)).toEqual(['waiting', 'waiting'])
    await takeOne(queue)
  })

  test('keeps all of its mail from expiring and warning, until it is lifted and there was time for a try', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const now = clock.now()
    const times = { warnAt: now + 10, expireAt: now + 20 }
    const released = await send(queue, clock, times)
    const waiting = await send(queue, clock, times)
    const sending = await send(queue, clock, times)
    const lease = await claimOne(queue)
    const first = await takeFrom(queue, lease)
    await queue.hold(scope, WHO)
    const come = await send(queue, clock, times)
    const all = [released, waiting, sending, come]
    await queue.steer('release', { ids: all }, WHO)
    await queue.steer('retry', { ids: all }, WHO)
    const later = attempt(clock, first, (n) => deferred(n, clock.now()))
    await queue.settle(first, later)
    await queue.release(lease)
    clock.pass(5 * HOUR)
    expect(await queue.overdue('expire', 9)).toEqual([])
    expect(await queue.overdue('warn', 9)).toEqual([])
    for (const id of all) expect(await statesOf(queue, id)).toEqual(['held'])
    await queue.unhold(scope, WHO)
    expect(await queue.overdue('expire', 9)).toEqual([])
    const again = await claimOne(queue)
    for (let n = 0; n < all.length; n++) {
      const delivery = await takeFrom(queue, again)
      await queue.settle(delivery, attempt(clock, delivery, delivered))
    }
    for (const id of all) expect(await statesOf(queue, id)).toEqual(['delivered'])
  })

  test('keeps what it has not come to yet from expiring', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock, { expireAt: clock.now() + 10 })
    await send(queue, clock, { expireAt: clock.now() + HOUR, warnAt: clock.now() + 10 })
    clock.pass(20)
    const holding = queue.hold(scope, WHO)
    const overdue = await Promise.all([queue.overdue('expire', 9), queue.overdue('warn', 9)])
    expect(overdue).toEqual([[], []])
    await holding
    expect(await queue.counts('state')).toEqual([{ key: 'held', count: 2 }])
  })

  test('keeps mail under way from being let go when its attempt ends', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await queue.accept(await mailOf(queue, clock, {}))
    const { delivery } = await takeOne(queue)
    const sent = { ids: [id], states: ['sending'] } as const
    await queue.steer('hold', sent, WHO)
    await queue.steer('release', sent, WHO)
    await queue.hold(scope, OTHER)
    const kept = [{ scope, count: 1 }]
    expect(await queue.steer('release', sent, WHO)).toEqual({ count: 0, busy: 0, kept })
    await queue.settle(
      delivery,
      attempt(clock, delivery, (n) => deferred(n, clock.now())),
    )
    expect((await entryOf(queue, id)).held).toMatchObject({ ...OTHER, scope })
    expect(await queue.claim(5)).toEqual([])
  })
}

async function entryOf(queue: Queue, id: Parameters<Queue['trace']>[0]) {
  return (await queue.trace(id))!.entries[0]!
}
