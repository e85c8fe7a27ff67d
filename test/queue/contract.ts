// What every engine of the queue promises, told through the port alone. Each engine's own test
// calls `contract` with a way to open an empty queue on a clock that the test owns.

import { describe, expect, test } from 'vitest'

import type { RecipientResult } from '../../src/queue/port/outflow.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import { ManualClock } from '../peers/clock.ts'
import { contractOfActs } from './contract-acts.ts'
import { contractOfChance } from './contract-chance.ts'
import { contractOfFinding } from './contract-finding.ts'
import { contractOfHistory } from './contract-history.ts'
import { contractOfHolds } from './contract-holds.ts'
import { contractOfLanes } from './contract-lanes.ts'
import { contractOfState } from './contract-state.ts'
import { attempt, claimOne, deferred, delivered, ends, HOUR, mailOf, outcome } from './mail.ts'
import { read, send, statesOf, takeFrom, takeOne } from './mail.ts'

export interface Opened extends AsyncDisposable {
  readonly queue: Queue
  readonly clock: ManualClock
}

/** Opens an empty queue whose leases last a minute. */
export type Open = () => Promise<Opened>

export function contract(name: string, open: Open): void {
  describe(`${name}: mail in and out`, () => contractOfMail(open))
  describe(`${name}: settling`, () => contractOfSettling(open))
  describe(`${name}: lanes and leases`, () => contractOfLanes(open))
  describe(`${name}: acts of operators`, () => contractOfActs(open))
  describe(`${name}: holds`, () => contractOfHolds(open))
  describe(`${name}: history`, () => contractOfHistory(open))
  describe(`${name}: small state`, () => contractOfState(open))
  describe(`${name}: by chance`, () => contractOfChance(open))
  describe(`${name}: finding`, () => contractOfFinding(open))
}

function contractOfMail(open: Open): void {
  test('what was accepted comes out as it went in', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const to = ['bo@far.example', 'Cy@far.example', 'di@other.example']
    const mail = await mailOf(queue, clock, { to, expireAt: clock.now() + HOUR, warnAt: 5 })
    await queue.accept(mail)

    const leases = await queue.claim(5)
    const taken = await Promise.all(leases.map((lease) => takeFrom(queue, lease)))
    const far = taken.find(({ destination }) => destination === 'far.example')!
    expect(taken).toHaveLength(2)
    expect(far).toMatchObject({
      id: `${mail.id}-1`,
      message: mail.id,
      queue: 'default',
      acceptedAt: clock.now(),
      expireAt: clock.now() + HOUR,
      warnAt: 5,
    })
    expect(far.recipients.map(({ n, attempts }) => [n, attempts])).toEqual([
      [0, 0],
      [1, 0],
    ])
    expect(far.recipients[1]!.address.local).toBe('Cy')
    expect(far.envelope.sender).toEqual(mail.envelope.sender)
    expect((await read(queue.content(far.content))).toString()).toContain('Hello')
  })

  test('content comes back byte for byte, small and large, at a second attempt too', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    for (const size of [0, 1, 4096, 256 * 1024, 256 * 1024 + 1, 1_500_000]) {
      const content = Buffer.alloc(size, `${size} \0\xff\r\n`, 'latin1')
      await send(queue, clock, { content })
      const first = await takeOne(queue)
      expect(await read(queue.content(first.delivery.content))).toEqual(content)
      await queue.settle(
        first.delivery,
        attempt(clock, first.delivery, (n) => deferred(n, 0)),
      )
      const again = await takeFrom(queue, first.lease)
      expect(again.content.size).toBe(size)
      expect(await read(queue.content(again.content))).toEqual(content)
      await queue.settle(again, attempt(clock, again, delivered))
      await queue.release(first.lease)
    }
  })

  test('content that comes in pieces is stored as one', async () => {
    await using opened = await open()
    const { queue } = opened
    const pieces = Array.from({ length: 50 }, (_, index) => Buffer.alloc(10_000, index))
    async function* chunks() {
      yield* pieces
    }
    const small = await queue.store(queue.newId(), chunks())
    expect(small.size).toBe(500_000)
    expect(await read(queue.content(small))).toEqual(Buffer.concat(pieces))
    await queue.discard(small)
  })

  test('a source that breaks off is told to whoever stores, and leaves nothing', async () => {
    await using opened = await open()
    const { queue } = opened
    async function* chunks() {
      yield Buffer.alloc(400_000)
      throw new Error('the client has gone')
    }
    await expect(queue.store(queue.newId(), chunks())).rejects.toThrow('the client has gone')
  })

  test('the same id twice is one message', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const mail = await mailOf(queue, clock, {})
    expect(await queue.accept(mail)).toBe(mail.id)
    expect(await queue.accept(mail)).toBe(mail.id)
    expect((await queue.find({}, { limit: 10 })).entries).toHaveLength(1)
  })

  test('an id that tells what it is derived from is found by that name', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = 'N0123456789abcdef01234567' as ReturnType<Queue['newId']>
    const mail = await mailOf(queue, clock, { id })
    const first = await queue.accept(mail)
    expect(await queue.accept(mail)).toBe(first)
    expect(await statesOf(queue, id)).toEqual(['waiting'])
    expect(await statesOf(queue, first)).toEqual(['waiting'])
    const { delivery } = await takeOne(queue)
    expect((await read(queue.content(delivery.content))).toString()).toContain('Hello')
  })

  test('ids are in order of time, also when the clock is set back', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const first = queue.newId()
    clock.set(clock.now() - HOUR)
    const second = queue.newId()
    expect(second > first).toBe(true)
  })

  test('a key serves one message until its time, and another after it', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const once = { key: 'otp-1', until: clock.now() + HOUR }
    const mail = await mailOf(queue, clock, { once })
    await queue.accept(mail)
    await queue.accept(mail)
    await expect(send(queue, clock, { once })).rejects.toMatchObject({ kind: 'used' })
    expect((await queue.find({}, { limit: 10 })).entries).toHaveLength(1)
    clock.pass(HOUR)
    await send(queue, clock, { once: { key: 'otp-1', until: clock.now() + HOUR } })
  })

  test('a key that was used does not trouble what is accepted at the same time', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const once = { key: 'otp-1', until: clock.now() + HOUR }
    const mails = await Promise.all([
      mailOf(queue, clock, { once }),
      mailOf(queue, clock, { once }),
      mailOf(queue, clock, {}),
    ])
    const done = await Promise.allSettled(mails.map((mail) => queue.accept(mail)))
    expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
}

function contractOfSettling(open: Open): void {
  test('each recipient ends in its own state, and the message then waits for nothing', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const to = ['a@far.example', 'b@far.example', 'c@far.example', 'd@far.example']
    const id = await send(queue, clock, { to })
    const { delivery, lease } = await takeOne(queue)
    expect(await statesOf(queue, id)).toEqual(['sending', 'sending', 'sending', 'sending'])

    const refused = outcome('refused', 550, 'no such user')
    await queue.settle(delivery, {
      at: clock.now(),
      attempt: { startedAt: 1, endedAt: 2 },
      results: [
        delivered(0),
        {
          n: 1,
          outcome: refused,
          verdict: { kind: 'end', end: 'bounced', notice: 'null sender' },
        },
        { n: 2, verdict: { kind: 'end', end: 'suppressed', reason: 'on the list' } },
        { n: 3, verdict: { kind: 'end', end: 'expired', notice: 'sent' } },
      ],
    })
    const trace = (await queue.trace(id))!
    expect(trace.entries.map(({ state }) => state)).toEqual([
      'delivered',
      'bounced',
      'suppressed',
      'expired',
    ])
    expect(trace.entries[1]).toMatchObject({
      reply: '550 no such user',
      notice: 'null sender',
      attempts: 1,
      endedAt: clock.now(),
    })
    expect(trace.entries[3]).toMatchObject({ attempts: 0, notice: 'sent' })
    expect(trace.facts.map(({ kind }) => kind)).toEqual(['accepted', 'settled'])
    expect(await queue.take(lease)).toEqual({ kind: 'idle', until: undefined })
  })

  test('a recipient that is put off waits alone, and counts its attempts', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    const { delivery, lease } = await takeOne(queue)
    const due = clock.now() + HOUR
    const idle = await queue.settle(
      delivery,
      { at: clock.now(), results: [delivered(0), deferred(1, due)] },
      lease,
    )
    expect(idle).toEqual({ kind: 'idle', until: due })
    await queue.release(lease)
    expect(await queue.claim(1)).toEqual([])
    expect(await queue.nextDue()).toBe(due)

    clock.pass(HOUR)
    const again = await takeOne(queue)
    expect(again.delivery.recipients).toMatchObject([{ n: 1, attempts: 1, due }])
  })

  test('what was not tried burns no attempt and keeps its time', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    const { delivery, lease } = await takeOne(queue)
    const untried = ends(clock, delivery, { kind: 'untried' })
    await queue.settle(delivery, untried)
    const again = await takeFrom(queue, lease)
    expect(again.recipients).toMatchObject([{ attempts: 0, due: delivery.recipients[0]!.due }])
    const later = clock.now() + 5
    await queue.settle(again, ends(clock, again, { kind: 'untried', due: later }))
    expect(await queue.take(lease)).toEqual({ kind: 'idle', until: later })
  })

  test('settling takes the next delivery of the lane in the same step', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const first = await send(queue, clock)
    clock.pass(1)
    const second = await send(queue, clock)
    const { delivery, lease } = await takeOne(queue)
    expect(delivery.message).toBe(first)
    const next = await queue.settle(delivery, attempt(clock, delivery, delivered), lease)
    expect(next).toMatchObject({ kind: 'delivery', delivery: { message: second } })
  })

  test('an unknown outcome is remembered with the host it went to', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    const { delivery, lease } = await takeOne(queue)
    await queue.settle(
      delivery,
      attempt(clock, delivery, (n) => {
        return { n, outcome: outcome('unknown'), verdict: { kind: 'retry', due: clock.now() } }
      }),
    )
    const again = await takeFrom(queue, lease)
    expect(again.last).toEqual({ kind: 'unknown', host: 'mx.far.example', address: '192.0.2.1' })
    await queue.settle(
      again,
      attempt(clock, again, (n) => deferred(n, clock.now())),
    )
    expect((await takeFrom(queue, lease)).last).toBeUndefined()
  })

  test('an unknown outcome is remembered while others are tried, or nobody is', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock, { to: ['a@far.example', 'b@far.example'] })
    const { delivery, lease } = await takeOne(queue)
    const now = clock.now()
    const unknown = (n: number): RecipientResult => {
      return { n, outcome: outcome('unknown'), verdict: { kind: 'retry', due: now } }
    }
    await queue.settle(
      delivery,
      attempt(clock, delivery, (n) => (n === 0 ? unknown(n) : deferred(n, now))),
    )
    const trouble = outcome('deferred', 421, 'no host answers')
    const steps: ((n: number) => RecipientResult)[] = [
      (n) => (n === 0 ? { n, verdict: { kind: 'untried' } } : deferred(n, now)),
      (n) => ({ n, outcome: trouble, verdict: { kind: 'untried' } }),
    ]
    for (const step of steps) {
      const again = await takeFrom(queue, lease)
      await queue.settle(again, attempt(clock, again, step))
    }
    expect((await takeFrom(queue, lease)).last).toMatchObject({ kind: 'unknown' })
  })

  test('a notice is accepted in the step that ends the recipient, and once', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    const { delivery } = await takeOne(queue)
    const notice = await mailOf(queue, clock, { from: '', to: ['ana@near.example'] })
    const settlement = {
      ...ends(clock, delivery, { kind: 'end', end: 'bounced', notice: 'sent' }),
      notices: [notice],
    }
    await queue.settle(delivery, settlement)
    await queue.settle(delivery, settlement)
    const sent = await takeOne(queue)
    expect(sent.delivery.message).toBe(notice.id)
    expect(sent.delivery.envelope.sender).toBeUndefined()
    expect((await queue.find({ from: '<>' }, { limit: 10 })).entries).toHaveLength(1)
  })

  test('settling twice ends nothing twice', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const { delivery } = await takeOne(queue)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
    await queue.settle(delivery, ends(clock, delivery, { kind: 'end', end: 'expired' }))
    expect(await statesOf(queue, id)).toEqual(['delivered'])
  })

  test('a delivery whose route has changed goes on in its new lane', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock)
    const { delivery, lease } = await takeOne(queue)
    const destination = 'hub.example:587/me' as typeof delivery.destination
    await queue.settle(delivery, {
      ...ends(clock, delivery, { kind: 'untried' }),
      moveTo: { destination, rule: 'routing.yaml:2' },
    })
    expect(await queue.take(lease)).toEqual({ kind: 'idle', until: undefined })
    const moved = await claimOne(queue)
    expect(moved.lane).toBe(destination)
    expect((await takeFrom(queue, moved)).destination).toBe(destination)
    const trace = (await queue.trace(id))!
    expect(trace.entries[0]!.destination).toBe(destination)
    expect(trace.facts[1]).toMatchObject({ kind: 'settled', moveTo: { destination } })
  })

  test('what is overdue is handed out whatever the lane says, and only once', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const now = clock.now()
    const warned = await send(queue, clock, { warnAt: now + 10, expireAt: now + HOUR })
    const expired = await send(queue, clock, { expireAt: now + 20 })
    await queue.suspend([(await claimOne(queue)).lane], undefined, now + HOUR, 'no host answers')
    expect(await queue.overdue('expire', 10)).toEqual([])

    clock.pass(30)
    const [toExpire, ...others] = await queue.overdue('expire', 10)
    expect(toExpire!.message).toBe(expired)
    expect(others).toEqual([])
    expect(await queue.overdue('expire', 10)).toEqual([])
    const [toWarn] = await queue.overdue('warn', 10)
    expect(toWarn!.message).toBe(warned)

    await queue.settle(toExpire!, ends(clock, toExpire!, { kind: 'end', end: 'expired' }))
    const untried = ends(clock, toWarn!, { kind: 'untried' })
    await queue.settle(toWarn!, { ...untried, warnAt: null, warned: [0] })
    expect(await queue.overdue('warn', 10)).toEqual([])
    expect(await statesOf(queue, expired)).toEqual(['expired'])
    expect(await statesOf(queue, warned)).toEqual(['waiting'])
    clock.pass(HOUR)
    expect((await queue.overdue('expire', 10)).map(({ message }) => message)).toEqual([warned])
  })
}
