// The contract, small state: entries by themselves, and as a part of mail that is accepted or settled.

import { expect, test } from 'vitest'

import type { StoreAnswer, StoreEntry } from '../../src/store/store.ts'
import type { Open } from './contract.ts'
import { attempt, claimOne, delivered, deferred, HOUR, mailOf, send, takeFrom } from './mail.ts'
import { takeOne } from './mail.ts'

const ADD = { kind: 'add', key: 'limits/ana', by: 2 } as const

export function contractOfState(open: Open): void {
  test('a value is kept, replaced and dropped', async () => {
    await using opened = await open()
    const { state } = opened.queue
    const key = 'cursors/ops'
    const odd = 'two\nlines, é and "quotes" 0 1'
    const entries: StoreEntry[] = [
      { kind: 'get', key },
      { kind: 'put', key, value: 'first' },
      { kind: 'put', key, value: odd },
      { kind: 'get', key },
      { kind: 'drop', key },
      { kind: 'drop', key },
      { kind: 'get', key },
    ]
    expect(await state.apply(entries)).toEqual([
      { done: false },
      { done: true, value: 'first' },
      { done: true, value: odd },
      { done: true, value: odd },
      { done: true },
      { done: false },
      { done: false },
    ])
    await state.apply([{ kind: 'put', key, value: '' }])
    expect(await state.apply([{ kind: 'get', key }])).toEqual([{ done: true, value: '' }])
  })

  test('a counter begins with 0, and ends when it was to end as it began', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const add = (by: number): StoreEntry => ({
      ...ADD,
      by,
      until: clock.now() + HOUR,
    })
    expect(await queue.state.apply([add(5), add(-2)])).toMatchObject([
      { value: '5' },
      { value: '3' },
    ])
    clock.pass(HOUR - 1)
    expect(await queue.state.apply([add(1)])).toEqual([{ done: true, value: '4' }])
    clock.pass(1)
    expect(await queue.state.apply([{ kind: 'get', key: ADD.key }])).toEqual([{ done: false }])
    expect(await queue.state.apply([add(1)])).toEqual([{ done: true, value: '1' }])
  })

  test('to what is no number nothing is added', async () => {
    await using opened = await open()
    const { state } = opened.queue
    await state.apply([{ kind: 'put', key: ADD.key, value: 'many' }])
    expect(await state.apply([ADD])).toEqual([{ done: false, value: 'many' }])
    await state.apply([{ kind: 'put', key: ADD.key, value: String(2 ** 53 - 2) }])
    expect(await state.apply([ADD])).toEqual([{ done: false, value: String(2 ** 53 - 2) }])
  })

  test('a value is swapped only where it is what it was taken for', async () => {
    await using opened = await open()
    const { state } = opened.queue
    const swap = (from?: string, to?: string): StoreEntry => ({
      kind: 'swap',
      key: 'turn',
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    })
    const entries = [swap('a', 'b'), swap(undefined, 'a'), swap(undefined, 'b'), swap('a', 'b')]
    expect(await state.apply([...entries, swap('a'), swap('b'), swap('b')])).toEqual([
      { done: false },
      { done: true, value: 'a' },
      { done: false, value: 'a' },
      { done: true, value: 'b' },
      { done: false, value: 'b' },
      { done: true },
      { done: false },
    ])
  })

  test('of many who swap the same value one does', async () => {
    await using opened = await open()
    const { state } = opened.queue
    const tries = Array.from({ length: 20 }, (_, n) =>
      state.apply([{ kind: 'swap', key: 'turn', to: `${n}` }]),
    )
    const done = (await Promise.all(tries)).filter(([answer]) => answer!.done)
    expect(done).toHaveLength(1)
  })

  test('keys are found by how they begin, in order, in pages, while they last', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const put = (key: string, until?: number): StoreEntry => ({
      kind: 'put',
      key,
      value: `of ${key}`,
      ...(until === undefined ? {} : { until }),
    })
    const soon = clock.now() + HOUR
    const keys = ['b/2', 'b', 'b/1', 'a/1', 'b/é', 'c', 'b/3']
    await queue.state.apply(keys.map((key) => put(key, key === 'b/2' ? soon : undefined)))
    const first = await queue.state.scan('b/', { limit: 2 })
    expect(first).toEqual([
      { key: 'b/1', value: 'of b/1' },
      { key: 'b/2', value: 'of b/2' },
    ])
    const rest = await queue.state.scan('b/', { limit: 9, after: 'b/2' })
    expect(rest.map(({ key }) => key)).toEqual(['b/3', 'b/é'])
    clock.pass(HOUR)
    const left = await queue.state.scan('b/', { limit: 2 })
    expect(left.map(({ key }) => key)).toEqual(['b/1', 'b/3'])
  })

  test('what rides with accepted mail is done with it, once', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const answers: StoreAnswer[][] = []
    const also = [ADD, { kind: 'put', key: 'last/ana', value: 'far.example' }] as const
    const mail = { ...(await mailOf(queue, clock, {})), also }
    await queue.accept(mail, (each) => void answers.push([...each]))
    await queue.accept(mail, (each) => void answers.push([...each]))
    expect(answers).toEqual([
      [
        { done: true, value: '2' },
        { done: true, value: 'far.example' },
      ],
    ])
    const [kept] = await queue.state.apply([{ kind: 'get', key: ADD.key }])
    expect(kept).toEqual({ done: true, value: '2' })
  })

  test('of mail that is refused nothing rides', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const once = { key: 'otp', until: clock.now() + HOUR }
    await send(queue, clock, { once })
    const mail = { ...(await mailOf(queue, clock, { once })), also: [ADD] }
    await expect(queue.accept(mail)).rejects.toMatchObject({ kind: 'used' })
    expect(await queue.state.apply([{ kind: 'get', key: ADD.key }])).toEqual([{ done: false }])
  })

  test('what rides with an outcome is done with it, and the next delivery is taken', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const first = await send(queue, clock)
    const second = await send(queue, clock)
    const lease = await claimOne(queue)
    const delivery = await takeFrom(queue, lease)
    const answers: StoreAnswer[][] = []
    const answered = (each: readonly StoreAnswer[]): void => void answers.push([...each])
    const settled = { ...attempt(clock, delivery, delivered), also: [ADD, ADD] }
    const next = await queue.settle(delivery, settled, lease, answered)
    expect(delivery.message).toBe(first)
    if (next?.kind !== 'delivery') throw new Error('It should be handed out')
    expect(next.delivery.message).toBe(second)
    const later = clock.now() + HOUR
    const put = { kind: 'put', key: 'warm/mx.far.example', value: '9' } as const
    const again = attempt(clock, next.delivery, (n) => deferred(n, later))
    const idle = await queue.settle(next.delivery, { ...again, also: [put] }, lease, answered)
    expect(idle).toEqual({ kind: 'idle', until: later })
    expect(answers).toEqual([
      [
        { done: true, value: '2' },
        { done: true, value: '4' },
      ],
      [{ done: true, value: '9' }],
    ])
  })

  test('without a next delivery too', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    const { delivery } = await takeOne(queue)
    const answers: StoreAnswer[] = []
    const settled = { ...attempt(clock, delivery, delivered), also: [ADD] }
    expect(
      await queue.settle(delivery, settled, undefined, (all) => void answers.push(...all)),
    ).toBe(undefined)
    expect(answers).toEqual([{ done: true, value: '2' }])
  })

  test('an entry that is too large is a mistake, and nothing of its step is done', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const large = { kind: 'put', key: 'x', value: 'x'.repeat(4097) } as const
    await expect(queue.state.apply([ADD, large])).rejects.toThrow('at most 4096 bytes')
    const mail = { ...(await mailOf(queue, clock, {})), also: [{ ...ADD, key: 'é'.repeat(257) }] }
    await expect(queue.accept(mail)).rejects.toThrow('1 to 512 bytes')
    await expect(queue.state.apply(Array.from({ length: 65 }, () => ADD))).rejects.toThrow('64')
    expect(await queue.state.scan('', { limit: 5 })).toEqual([])
  })
}
