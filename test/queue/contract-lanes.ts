// The contract, lanes and leases: what is handed out next, to how many, and for how long.

import { expect, test } from 'vitest'

import type { Open } from './contract.ts'
import { attempt, claimOne, deferred, delivered, ends, HOUR, lane, mailOf } from './mail.ts'
import { send, statesOf, takeFrom, takeOne } from './mail.ts'

export function contractOfLanes(open: Open): void {
  test('a lane gives the most urgent, then the oldest due delivery', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const now = clock.now()
    const late = await send(queue, clock, { due: now - 1 })
    const early = await send(queue, clock, { due: now - 5 })
    const urgent = await send(queue, clock, { priority: 1 })
    await send(queue, clock, { priority: 1, due: now + HOUR })
    const lease = await claimOne(queue)
    const order = []
    for (let i = 0; i < 3; i++) order.push((await takeFrom(queue, lease)).message)
    expect(order).toEqual([urgent, early, late])
    expect(await queue.take(lease)).toEqual({ kind: 'idle', until: now + HOUR })
  })

  test('lanes take turns, urgent ones first', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    for (const name of ['a', 'b', 'c']) await send(queue, clock, { to: [`x@${name}.example`] })
    await send(queue, clock, { to: ['x@urgent.example'], priority: 5 })
    await send(queue, clock, { to: ['x@bulk.example'], priority: 70 })
    const lanes = (await queue.claim(10)).map((lease) => lease.lane)
    expect(lanes).toEqual(['urgent.example', 'a.example', 'b.example', 'c.example', 'bulk.example'])
  })

  test('bulk gets one claim in eight while urgent lanes have work', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    for (let i = 0; i < 40; i++) {
      await send(queue, clock, { to: ['x@urgent.example'], priority: 5 })
      await send(queue, clock, { to: ['x@bulk.example'], priority: 70 })
    }
    const lanes = (await queue.claim(32)).map((lease) => lease.lane)
    expect(lanes.filter((name) => name === 'bulk.example')).toHaveLength(4)
  })

  test('no more leases are given of a lane than it has due deliveries', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    for (let i = 0; i < 3; i++) await send(queue, clock)
    await send(queue, clock, { due: clock.now() + HOUR })
    const leases = await queue.claim(10)
    expect(leases).toHaveLength(3)
    expect(await queue.claim(10)).toEqual([])
    await queue.release(leases[0]!)
    expect(await queue.claim(10)).toHaveLength(1)
  })

  test('a lane that has more due work than its connections can be claimed again at once', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    await takeOne(queue)
    expect(await queue.claim(1)).toEqual([])
    await send(queue, clock)
    expect(await queue.claim(2)).toHaveLength(1)
  })

  test('new work, and work that falls due, wakes whoever claims', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    let woken = 0
    queue.onWake(() => woken++)
    await send(queue, clock, { due: clock.now() + HOUR })
    expect(await queue.nextDue()).toBe(clock.now() + HOUR)
    expect(woken).toBe(0)
    clock.pass(HOUR)
    await expect.poll(() => woken).toBeGreaterThan(0)
    expect(await queue.claim(1)).toHaveLength(1)
    expect(await queue.nextDue()).toBeUndefined()
    const before = woken
    await send(queue, clock, { to: ['x@other.example'] })
    expect(woken).toBeGreaterThan(before)
    expect(await queue.nextDue()).toBe(clock.now())
  })

  test('a full lane is left out of claims until it is not full any more', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    let woken = 0
    queue.onWake(() => woken++)
    queue.full([lane('far.example')], true)
    await send(queue, clock)
    expect(await queue.claim(5)).toEqual([])
    expect(await queue.nextDue()).toBeUndefined()
    expect(woken).toBe(0)
    queue.full([lane('far.example')], false)
    expect(await queue.claim(5)).toHaveLength(1)
    expect(woken).toBe(1)
  })

  test('what came into a full lane for later wakes whoever claims when its time comes', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    queue.full([lane('far.example')], true)
    await send(queue, clock, { due: clock.now() + HOUR })
    expect(await queue.nextDue()).toBeUndefined()
    queue.full([lane('far.example')], false)
    await queue.counts('state')
    let woken = 0
    queue.onWake(() => woken++)
    clock.pass(HOUR)
    await expect.poll(() => woken).toBeGreaterThan(0)
    expect(await queue.claim(1)).toHaveLength(1)
  })

  test('a lease of a full lane goes on drawing', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    for (let i = 0; i < 2; i++) await send(queue, clock)
    const { lease } = await takeOne(queue)
    queue.full([lane('far.example')], true)
    expect((await queue.take(lease)).kind).toBe('delivery')
  })

  test('urgent mail to a suspended lane has it tried soon, other mail does not', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const now = clock.now()
    await send(queue, clock)
    const lease = await claimOne(queue)
    await queue.suspend([lease.lane], undefined, now + HOUR, 'no host answers', {
      cause: 'connect',
    })
    await queue.release(lease)
    await send(queue, clock)
    expect(await queue.nextDue()).toBe(now + HOUR)
    await send(queue, clock, { priority: 1 })
    expect(await queue.nextDue()).toBe(now + 10_000)
    expect(await queue.suspensions()).toMatchObject([{ until: now + 10_000, cause: 'connect' }])
    clock.pass(10_000)
    expect((await claimOne(queue)).priority).toBe(1)
  })

  test('a suspended lane waits until its time, and says why', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const lease = await claimOne(queue)
    const until = clock.now() + HOUR
    const about = { cause: 'connect', since: clock.now() - 1000 } as const
    await queue.suspend([lease.lane], 'mx.far.example', until, 'connection refused', about)
    expect(await queue.take(lease)).toEqual({ kind: 'idle', until })
    await queue.release(lease)
    expect(await queue.claim(1)).toEqual([])
    expect(await queue.nextDue()).toBe(until)
    const suspension = {
      lane: 'far.example',
      site: 'mx.far.example',
      until,
      reason: 'connection refused',
      ...about,
    }
    expect(await queue.suspensions()).toEqual([suspension])
    expect((await queue.trace(id))!.suspended).toEqual([suspension])

    await send(queue, clock, { to: ['x@other.example'] })
    expect((await queue.claim(5)).map((each) => each.lane)).toEqual(['other.example'])
    clock.pass(HOUR)
    expect((await queue.claim(5)).map((each) => each.lane)).toContain('far.example')
    expect(await queue.suspensions()).toEqual([])
  })

  test('a suspension that is ended early lets the lane go on at once', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    const far = lane('far.example')
    await queue.suspend([far], undefined, clock.now() + HOUR, 'no route')
    expect(await queue.claim(1)).toEqual([])
    await queue.suspend([far], undefined, 0, '')
    expect(await queue.claim(1)).toHaveLength(1)
  })

  test('a lease that is renewed holds, and one that is not lapses with what it had', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const { lease } = await takeOne(queue)
    clock.pass(50_000)
    await queue.renew([lease])
    clock.pass(50_000)
    expect(await queue.claim(1)).toEqual([])
    clock.pass(20_000)
    const again = await takeOne(queue)
    expect(again.delivery.last).toEqual({ kind: 'interrupted' })
    expect(again.delivery.recipients).toMatchObject([{ attempts: 1 }])
    expect((await queue.trace(id))!.facts.map(({ kind }) => kind)).toEqual([
      'accepted',
      'interrupted',
    ])
    expect(await queue.take(lease)).toEqual({ kind: 'idle', until: undefined })
  })

  test('a wall clock that is set lets no lease lapse', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const { lease } = await takeOne(queue)
    clock.set(clock.now() + HOUR)
    expect(await queue.claim(1)).toEqual([])
    expect(await statesOf(queue, id)).toEqual(['sending'])
    clock.set(clock.now() - 2 * HOUR)
    await queue.renew([lease])
    clock.pass(30_000)
    expect(await queue.claim(1)).toEqual([])
    clock.pass(HOUR)
    expect(await queue.claim(1)).toHaveLength(1)
  })

  test('an outcome that comes after its lease has lapsed is still recorded', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const { delivery } = await takeOne(queue)
    clock.pass(HOUR)
    expect(await queue.claim(1)).toHaveLength(1)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
    expect(await statesOf(queue, id)).toEqual(['delivered'])
    expect(await queue.claim(1)).toEqual([])
  })

  test('what comes after another has taken the delivery counts only where it ends it', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const first = await takeOne(queue)
    clock.pass(HOUR)
    const second = await takeOne(queue)
    expect(second.delivery.message).toBe(id)
    await queue.settle(first.delivery, ends(clock, first.delivery, { kind: 'untried' }))
    await queue.settle(
      first.delivery,
      attempt(clock, first.delivery, (n) => deferred(n, clock.now())),
    )
    expect(await queue.claim(1)).toEqual([])
    expect(await statesOf(queue, id)).toEqual(['sending'])
    expect((await queue.trace(id))!.entries[0]).toMatchObject({ attempts: 1 })

    await queue.settle(first.delivery, attempt(clock, first.delivery, delivered))
    expect(await statesOf(queue, id)).toEqual(['delivered'])
    const notice = await mailOf(queue, clock, { from: '' })
    const bounced = ends(clock, second.delivery, { kind: 'end', end: 'bounced', notice: 'sent' })
    await queue.settle(second.delivery, { ...bounced, notices: [notice] })
    expect(await statesOf(queue, id)).toEqual(['delivered'])
    expect((await queue.find({ from: '<>' }, { limit: 5 })).entries).toEqual([])
  })

  test('a hundred lanes with deferred mail are each claimed when their time has come', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const start = clock.now()
    for (let i = 0; i < 100; i++) await send(queue, clock, { to: [`x@far${i}.example`] })
    const leases = await queue.claim(100)
    for (const [index, lease] of leases.entries()) {
      const delivery = await takeFrom(queue, lease)
      const due = start + 1000 * (index + 1)
      await queue.settle(
        delivery,
        attempt(clock, delivery, (n) => deferred(n, due)),
      )
      await queue.release(lease)
    }
    clock.pass(50_000)
    expect(await queue.claim(100)).toHaveLength(50)
    expect(await queue.nextDue()).toBe(start + 51_000)
  })
}
