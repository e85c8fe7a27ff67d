// The contract, finding: every filter, page by page, and the counts.

import { expect, test } from 'vitest'

import type { RecipientResult } from '../../src/queue/port/outflow.ts'
import type { Filter } from '../../src/queue/port/reader.ts'
import { attempt, deferred, delivered, HOUR, send, takeOne, WHO } from './mail.ts'
import type { Open, Opened } from './contract.ts'

export function contractOfFinding(open: Open): void {
  const cases: [what: string, filter: Filter, found: string[]][] = [
    ['nothing asked', {}, ['c', 'b', 'a', 'bounced', 'done']],
    ['a recipient', { to: 'b@far.example' }, ['b']],
    ['a recipient whose domain is written large', { to: 'b@FAR.example' }, ['b']],
    ['a recipient’s domain, said as `to`', { to: 'far.example' }, ['b', 'a', 'bounced', 'done']],
    ['a domain', { domain: 'other.example' }, ['c']],
    ['a destination', { destination: 'hub.example:25' }, ['c']],
    ['a sender', { from: 'bo@near.example' }, ['b']],
    ['a sender’s domain', { from: 'elsewhere.example' }, ['c']],
    ['the null sender', { from: '<>' }, ['a']],
    ['a queue', { queue: 'bulk' }, ['b']],
    ['what waits', { states: ['waiting'] }, ['c', 'b', 'a']],
    ['what was delivered', { states: ['delivered'] }, ['done']],
    ['what bounced', { states: ['bounced'] }, ['bounced']],
    ['two states', { states: ['bounced', 'waiting'] }, ['c', 'b', 'a', 'bounced']],
    ['a domain and a state', { domain: 'far.example', states: ['waiting'] }, ['b', 'a']],
    ['attempts', { minAttempts: 1 }, ['a', 'bounced', 'done']],
    ['a part of the reply', { reply: 'GREYlisted' }, ['a']],
    ['a domain and a reply', { domain: 'far.example', reply: 'so it' }, ['done']],
  ]
  for (const [what, filter, found] of cases)
    test(`it finds by ${what}`, async () => {
      await using opened = await open()
      await fill(opened)
      const { entries } = await opened.queue.find(filter, { limit: 100 })
      expect(entries.map(({ to }) => to.split('@')[0])).toEqual(found)
    })

  test('it finds by age', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await fill(opened)
    const now = clock.now()
    const old = await queue.find({ acceptedBefore: now - HOUR }, { limit: 9 })
    expect(old.entries.map(({ to }) => to[0])).toEqual(['b', 'd'])
    const young = await queue.find({ acceptedAfter: now - HOUR }, { limit: 9 })
    expect(young.entries.map(({ to }) => to[0])).toEqual(['c', 'b', 'a'])
  })

  test('it finds by ids of messages and of deliveries', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const id = await send(queue, clock, { to: ['a@far.example', 'b@other.example'] })
    await send(queue, clock)
    const message = await queue.find({ ids: [id] }, { limit: 9 })
    expect(message.entries.map(({ n }) => n)).toEqual([1, 0])
    const delivery = await queue.find({ ids: [`${id}-2`, 'nonsense'] }, { limit: 9 })
    expect(delivery.entries.map(({ n }) => n)).toEqual([1])
  })

  test('pages follow each other without a gap or a double, while mail comes in', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const to = Array.from({ length: 7 }, (_, i) => `u${i}@d${i % 3}.example`)
    for (let i = 0; i < 10; i++) await send(queue, clock, { to })
    for (const filter of [{}, { states: ['waiting'] }, { from: 'ana@near.example' }] as Filter[]) {
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await queue.find(
          { ...filter, acceptedBefore: clock.now() + 1 },
          { limit: 4, ...(cursor === undefined ? {} : { cursor }) },
        )
        seen.push(...page.entries.map(({ id, n }) => `${id}-${n}`))
        cursor = page.cursor
        clock.pass(1000)
      } while (cursor !== undefined)
      expect(seen).toHaveLength(70)
      expect(new Set(seen).size).toBe(70)
    }
  })

  test('it counts what has not ended, by what is asked, and by age', async () => {
    await using opened = await open()
    const { queue } = opened
    await fill(opened)
    expect(await queue.counts('state')).toEqual([{ key: 'waiting', count: 3 }])
    expect(await queue.counts('queue')).toEqual([
      { key: 'default', count: 2 },
      { key: 'bulk', count: 1 },
    ])
    expect(await queue.counts('domain')).toEqual([
      { key: 'far.example', count: 2 },
      { key: 'other.example', count: 1 },
    ])
    expect(await queue.counts('sender')).toEqual([
      { key: '<>', count: 1 },
      { key: 'bo@near.example', count: 1 },
      { key: 'cy@elsewhere.example', count: 1 },
    ])
    expect(await queue.counts('user', [60_000])).toEqual([
      { key: '[127.0.0.1]', count: 3, ages: [2, 1] },
    ])
    expect(await queue.counts('destination', [60_000, 300_000])).toEqual([
      { key: 'far.example', count: 2, ages: [1, 1, 0] },
      { key: 'hub.example:25', count: 1, ages: [1, 0, 0] },
    ])
  })

  test('the oldest of each queue and state is told, whatever became of older ones', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const start = clock.now()
    const at = (minutes: number): number => start + minutes * 60_000
    await send(queue, clock, { to: ['gone@far.example'], queue: 'bulk' })
    const { delivery, lease } = await takeOne(queue)
    await queue.settle(delivery, attempt(clock, delivery, delivered))
    await queue.release(lease)
    expect(await queue.oldest()).toEqual([])

    clock.pass(60_000)
    const held = await send(queue, clock, { queue: 'bulk' })
    clock.pass(60_000)
    const waiting = await send(queue, clock, { queue: 'bulk' })
    const many = { to: ['a@two.example', 'b@two.example'], queue: 'urgent', due: at(99) }
    const urgent = await send(queue, clock, many)
    clock.pass(60_000)
    await send(queue, clock, { queue: 'bulk', due: at(99) })
    await queue.steer('hold', { ids: [held, `${urgent}-1`], to: 'far.example' }, WHO)
    const oldest = async (): Promise<unknown[]> => {
      const found = await queue.oldest()
      return found
        .map(({ state, queue: name, acceptedAt }) => `${state} ${name} ${acceptedAt - start}`)
        .sort()
    }
    expect(await oldest()).toEqual([
      'held bulk 60000',
      'waiting bulk 120000',
      'waiting urgent 120000',
    ])

    const taken = await takeOne(queue)
    expect(taken.delivery.message).toBe(waiting)
    expect(await oldest()).toEqual([
      'held bulk 60000',
      'sending bulk 120000',
      'waiting bulk 180000',
      'waiting urgent 120000',
    ])
    await queue.settle(
      taken.delivery,
      attempt(clock, taken.delivery, (n) => deferred(n, at(50))),
    )
    // One of two recipients is held: it is a delivery of its own from then on.
    await queue.steer('hold', { to: 'a@two.example' }, WHO)
    await queue.steer('release', { ids: [held] }, WHO)
    expect(await oldest()).toEqual([
      'held urgent 120000',
      'waiting bulk 60000',
      'waiting urgent 120000',
    ])
    await queue.steer('cancel', { states: ['held', 'waiting'] }, WHO)
    expect(await oldest()).toEqual([])
  })

  test('mail under a standing hold is held from the start, and counts so', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const acceptedAt = clock.now()
    await send(queue, clock, {})
    await queue.hold({ kind: 'queue', name: 'default' }, WHO)
    clock.pass(1000)
    await send(queue, clock, {})
    expect(await queue.oldest()).toEqual([{ state: 'held', queue: 'default', acceptedAt }])
    await queue.unhold({ kind: 'queue', name: 'default' }, WHO)
    expect(await queue.oldest()).toEqual([{ state: 'waiting', queue: 'default', acceptedAt }])
  })

  test('a message that nobody accepted has no trace', async () => {
    await using opened = await open()
    expect(await opened.queue.trace(opened.queue.newId())).toBeUndefined()
  })
}

/** Five messages: one delivered, one bounced, one deferred, and two that wait. */
async function fill({ queue, clock }: Opened): Promise<void> {
  const attemptNext = async (result: (n: number) => RecipientResult): Promise<void> => {
    const { delivery, lease } = await takeOne(queue)
    await queue.settle(delivery, attempt(clock, delivery, result))
    await queue.release(lease)
  }
  await send(queue, clock, { to: ['done@far.example'] })
  await attemptNext(delivered)
  await send(queue, clock, { to: ['bounced@far.example'] })
  const bounced = { kind: 'end', end: 'bounced' } as const
  await attemptNext((n) => ({ ...deferred(n, 0, 'no such user'), verdict: bounced }))

  clock.pass(2 * HOUR)
  await send(queue, clock, { to: ['a@far.example'], from: '' })
  await attemptNext((n) => deferred(n, clock.now() + HOUR, 'greylisted'))
  clock.pass(120_000)
  await send(queue, clock, { to: ['b@far.example'], from: 'bo@near.example', queue: 'bulk' })
  await send(queue, clock, {
    to: ['c@other.example'],
    from: 'cy@elsewhere.example',
    destination: 'hub.example:25',
  })
}
