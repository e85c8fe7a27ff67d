// The contract, acts of operators: each durable, with who and why, and never in the way of an
// attempt under way.

import { expect, test } from 'vitest'

import type { Open } from './contract.ts'
import { attempt, claimOne, deferred, delivered, ends, HOUR, read, send } from './mail.ts'
import { statesOf, takeFrom, takeOne, WHO } from './mail.ts'

export function contractOfActs(open: Open): void {
  test('held mail waits without end, and goes on when it is released', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const now = clock.now()
    const id = await send(queue, clock, { warnAt: now + 10, expireAt: now + 20 })
    await send(queue, clock, { to: ['x@other.example'] })
    const held = await queue.steer('hold', { ids: [id] }, WHO)
    expect(held).toEqual({ count: 1, busy: 0 })
    clock.pass(HOUR)
    expect(await queue.overdue('expire', 5)).toEqual([])
    expect(await queue.overdue('warn', 5)).toEqual([])
    expect((await queue.claim(5)).map(({ lane }) => lane)).toEqual(['other.example'])
    const [entry] = (await queue.find({ states: ['held'] }, { limit: 5 })).entries
    expect(entry).toMatchObject({ id, state: 'held', held: WHO })
    expect(entry!.next).toBeUndefined()

    expect(await queue.steer('release', { to: 'bo@far.example' }, WHO)).toMatchObject({ count: 1 })
    expect(await queue.claim(5)).toHaveLength(1)
    expect((await queue.trace(id))!.facts.slice(1)).toMatchObject([
      { kind: 'act', act: 'hold', ...WHO },
      { kind: 'act', act: 'release', ...WHO },
    ])
  })

  test('retry now makes waiting mail due, and ends the suspension it waits for', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock, { due: clock.now() + HOUR })
    const { lane } = (await queue.find({}, { limit: 1 })).entries.map((entry) => ({
      lane: entry.destination,
    }))[0]!
    await queue.suspend([lane], undefined, clock.now() + HOUR, 'no host answers')
    expect(await queue.steer('retry', {}, WHO)).toEqual({ count: 1, busy: 0 })
    const { delivery } = await takeOne(queue)
    expect(delivery.recipients[0]!.due).toBe(clock.now())
  })

  test('cancelled mail ends at once, and only the recipients that were meant', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    expect(await queue.steer('cancel', { to: 'a@far.example' }, WHO)).toMatchObject({ count: 1 })
    expect(await statesOf(queue, id)).toEqual(['cancelled', 'waiting'])
    const { delivery, lease } = await takeOne(queue)
    expect(delivery.recipients.map(({ n }) => n)).toEqual([1])
    await queue.settle(delivery, attempt(clock, delivery, delivered), lease)
    expect(await statesOf(queue, id)).toEqual(['cancelled', 'delivered'])
    expect(await queue.steer('cancel', { ids: [id] }, WHO)).toEqual({ count: 0, busy: 0 })
  })

  test('one recipient of a delivery can be held while the others go', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    await queue.steer('hold', { to: 'a@far.example' }, WHO)
    expect(await statesOf(queue, id)).toEqual(['held', 'waiting'])
    const { delivery, lease } = await takeOne(queue)
    expect(delivery.recipients.map(({ n }) => n)).toEqual([1])
    await queue.settle(delivery, attempt(clock, delivery, delivered))
    await queue.steer('release', {}, WHO)
    const other = await takeFrom(queue, lease)
    expect(other.recipients.map(({ n }) => n)).toEqual([0])
    expect((await read(queue.content(other.content))).toString()).toContain('Hello')
    await queue.settle(other, attempt(clock, other, delivered))
    expect(await statesOf(queue, id)).toEqual(['delivered', 'delivered'])
  })

  test('refused mail is handed out to be bounced, with the reason', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    let woken = 0
    queue.onWake(() => woken++)
    expect(await queue.steer('refuse', { ids: [id] }, WHO)).toEqual({ count: 1, busy: 0 })
    expect(woken).toBeGreaterThan(0)
    expect(await queue.claim(1)).toEqual([])
    expect(await statesOf(queue, id)).toEqual(['waiting'])
    const [delivery] = await queue.overdue('refuse', 5)
    expect(delivery).toMatchObject({ message: id, refuse: WHO })
    expect(await queue.overdue('refuse', 5)).toEqual([])
    const verdict = { kind: 'end', end: 'bounced', notice: 'sent' } as const
    await queue.settle(delivery!, ends(clock, delivery!, verdict))
    expect(await statesOf(queue, id)).toEqual(['bounced'])
  })

  test('an act on a delivery under way waits for its attempt', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    const { delivery } = await takeOne(queue)
    expect(await queue.steer('cancel', { ids: [id] }, WHO)).toEqual({ count: 0, busy: 2 })
    expect(await statesOf(queue, id)).toEqual(['sending', 'sending'])
    await queue.settle(delivery, {
      at: clock.now(),
      results: [delivered(0), deferred(1, clock.now())],
    })
    expect(await statesOf(queue, id)).toEqual(['delivered', 'cancelled'])
    expect(await queue.claim(1)).toEqual([])
  })

  test('acts on a delivery under way follow the recipients that one of them has parted', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    const { delivery } = await takeOne(queue)
    await queue.steer('hold', { to: 'b@far.example' }, WHO)
    await queue.steer('release', { ids: [id] }, WHO)
    await queue.steer('hold', { to: 'a@far.example' }, WHO)
    const later = attempt(clock, delivery, (n) => deferred(n, clock.now()))
    await queue.settle(delivery, later)
    expect(await statesOf(queue, id)).toEqual(['held', 'waiting'])
  })

  test('a standing hold covers what waits, what is under way and what comes', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const waiting = await send(queue, clock)
    const { delivery, lease } = await takeOne(queue)
    await send(queue, clock)
    const scope = { kind: 'destination', name: 'far.example' } as const
    expect(await queue.hold(scope, WHO)).toEqual({ count: 1, busy: 1 })
    const later = await send(queue, clock)
    await queue.settle(
      delivery,
      attempt(clock, delivery, (n) => deferred(n, clock.now())),
    )
    expect(await statesOf(queue, waiting)).toEqual(['held'])
    expect(await statesOf(queue, later)).toEqual(['held'])
    await send(queue, clock, { to: ['x@other.example'] })
    expect((await queue.claim(9)).map((each) => each.lane)).toEqual(['other.example'])
    expect(await queue.holds()).toMatchObject([{ scope, ...WHO }])

    expect(await queue.unhold(scope, WHO)).toEqual({ count: 3, busy: 0 })
    expect(await queue.holds()).toEqual([])
    await queue.release(lease)
    expect(await queue.claim(9)).toHaveLength(3)
  })

  test('a hold on a queue or on all ends only with its own release', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const bulk = await send(queue, clock, { queue: 'bulk' })
    const usual = await send(queue, clock)
    await queue.hold({ kind: 'queue', name: 'bulk' }, WHO)
    expect(await statesOf(queue, bulk)).toEqual(['held'])
    await queue.hold({ kind: 'all' }, WHO)
    expect(await statesOf(queue, usual)).toEqual(['held'])
    expect(await queue.claim(9)).toEqual([])
    await queue.unhold({ kind: 'all' }, WHO)
    expect((await takeOne(queue)).delivery.message).toBe(usual)
    expect(await statesOf(queue, bulk)).toEqual(['held'])
    await queue.unhold({ kind: 'queue', name: 'bulk' }, WHO)
    expect((await takeOne(queue)).delivery.message).toBe(bulk)
  })

  test('an act reaches a thousand deliveries', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await Promise.all(
      Array.from({ length: 1000 }, (_, i) => send(queue, clock, { to: [`x@d${i % 7}.example`] })),
    )
    expect(await queue.steer('hold', {}, WHO)).toEqual({ count: 1000, busy: 0 })
    expect(await queue.counts('state')).toEqual([{ key: 'held', count: 1000 }])
    expect(await queue.steer('release', { domain: 'd3.example' }, WHO)).toMatchObject({
      count: 143,
    })
    const lease = await claimOne(queue)
    expect(lease.lane).toBe('d3.example')
    expect(await queue.steer('cancel', {}, WHO)).toMatchObject({ count: 1000 })
    expect(await queue.counts('state')).toEqual([])
  })
}
