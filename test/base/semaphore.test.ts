// Who gets a place, and when.

import { expect, test } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Semaphore } from '../../src/base/semaphore.ts'

test('a place that becomes free goes to whoever waits, not to who comes just then', async () => {
  const semaphore = new Semaphore({ places: 1 })
  const order: string[] = []
  const first = await semaphore.enter()
  const waiting = semaphore.enter().then((place) => {
    order.push('waiter')
    place![Symbol.dispose]()
  })
  first![Symbol.dispose]()
  const newcomer = semaphore.enter().then((place) => {
    order.push('newcomer')
    place![Symbol.dispose]()
  })
  await Promise.all([waiting, newcomer])
  expect(order).toEqual(['waiter', 'newcomer'])
})

test('there are never more inside than places, whoever comes while one leaves', async () => {
  const semaphore = new Semaphore({ places: 2 })
  let inside = 0
  let most = 0
  const visit = async (again: number): Promise<void> => {
    {
      using _place = await semaphore.enter()
      most = Math.max(most, ++inside)
      await Promise.resolve()
      inside--
    }
    if (again > 0) await visit(again - 1)
  }
  await Promise.all(Array.from({ length: 20 }, () => visit(5)))
  expect(most).toBe(2)
})

test('a place is given back once, however often it is disposed', async () => {
  const semaphore = new Semaphore({ places: 1, waiters: 0 })
  const place = await semaphore.enter()
  place![Symbol.dispose]()
  place![Symbol.dispose]()
  expect(await semaphore.enter()).toBeDefined()
  expect(await semaphore.enter()).toBeUndefined()
})

test('who waits too long gets none, and takes none from the next', async () => {
  const timers: (() => void)[] = []
  const clock: Clock = {
    ...systemClock,
    after: (_milliseconds, act) => {
      timers.push(act)
      return () => {}
    },
  }
  const semaphore = new Semaphore({ places: 1, patience: { clock, milliseconds: 5000 } })
  const place = await semaphore.enter()
  const impatient = semaphore.enter()
  const patient = semaphore.enter()
  timers[0]!()
  expect(await impatient).toBeUndefined()
  place![Symbol.dispose]()
  expect(await patient).toBeDefined()
})
