// Names that only the system knows.

import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Clock } from '../../src/base/clock.ts'
import { createSystemLookup } from '../../src/dns/system.ts'

test('the system is asked once for a name, and again after a while', async () => {
  let now = 0
  const asked: string[] = []
  const look = createSystemLookup({ ...systemClock, now: () => now }, async (name) => {
    asked.push(name)
    return ['10.0.0.5']
  })
  expect(await Promise.all([look('relay'), look('relay')])).toEqual([['10.0.0.5'], ['10.0.0.5']])
  expect(asked).toEqual(['relay'])
  now = 30_001
  await look('relay')
  expect(asked).toHaveLength(2)
})

test('a system that does not answer keeps nobody waiting, and is not asked more meanwhile', async () => {
  const timers: (() => void)[] = []
  const clock: Clock = {
    ...systemClock,
    after: (_milliseconds, act) => {
      timers.push(act)
      return () => {}
    },
  }
  const asked: string[] = []
  const look = createSystemLookup(clock, (name) => {
    asked.push(name)
    return new Promise(() => {})
  })
  const [one, other] = [look('one'), look('other')]
  await Promise.resolve()
  await Promise.resolve()
  for (const timer of timers) timer()
  expect(await Promise.all([one, other])).toEqual([[], []])
  expect(asked).toEqual(['one'])
})

test('what the system does not know is nothing, not an error', async () => {
  const look = createSystemLookup(systemClock, () => Promise.reject(new Error('ENOTFOUND')))
  expect(await look('nowhere.invalid')).toEqual([])
})
