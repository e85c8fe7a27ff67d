// Rounds follow one another, also after one that failed, and none after the end.

import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Repeat } from '../../src/base/repeat.ts'
import { ManualClock } from '../peers/clock.ts'

test('the next round is set when the one before has ended', async () => {
  const clock = new ManualClock(0)
  const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const at: number[] = []
  const round = (): Promise<void> => ends[at.push(clock.now()) - 1]!.promise
  await using repeat = new Repeat({ clock, every: 10, first: 1, round })
  clock.pass(50)
  expect(at).toEqual([1])
  ends[0]!.resolve()
  await setImmediate()
  clock.pass(10)
  expect(at).toHaveLength(2)
  ends[1]!.resolve()
  await repeat.stop()
  clock.pass(100)
  expect(at).toHaveLength(2)
})

test('a round that failed is told, and another follows as usual', async () => {
  const clock = new ManualClock(0)
  const told: unknown[] = []
  const failed = (error: unknown): void => void told.push(error)
  const round = (): Promise<void> => Promise.reject(new Error('away'))
  await using _ = new Repeat({ clock, every: 10, round, failed })
  for (let n = 0; n < 3; n++) {
    clock.pass(10)
    await setImmediate()
  }
  expect(told).toHaveLength(3)
})

test('a round says itself when there is more to do', async () => {
  const clock = new ManualClock(0)
  let rounds = 0
  await using _ = new Repeat({ clock, every: 1000, round: () => (++rounds < 5 ? 1 : undefined) })
  clock.pass(1010)
  expect(rounds).toBe(5)
})

test('whoever stops it waits for the round under way', async () => {
  const clock = new ManualClock(0)
  const end = Promise.withResolvers<void>()
  const repeat = new Repeat({ clock, every: 10, round: () => end.promise })
  clock.pass(10)
  const order: string[] = []
  const stopped = repeat.stop().then(() => order.push('stopped'))
  order.push('ends')
  end.resolve()
  await stopped
  expect(order).toEqual(['ends', 'stopped'])
})
