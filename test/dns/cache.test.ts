// What is remembered of answers, for how long and how much.

import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Answer } from '../../src/dns/answer.ts'
import { AnswerCache } from '../../src/dns/cache.ts'

function addresses(count: number): Answer {
  const records = Array.from({ length: count }, (_, n) => `192.0.2.${n % 256}`)
  return { kind: 'records', records, more: 0, name: 'far.example', ttl: 60, authentic: false }
}

test('it is bounded in bytes, whatever a zone puts into its answers', () => {
  const cache = new AnswerCache(systemClock, 100_000)
  for (let n = 0; n < 1000; n++) cache.set(`A h${n}.far.example`, addresses(32), 86_400)
  expect(cache.bytes).toBeLessThanOrEqual(100_000)
  expect(cache.get('A h999.far.example')).toBeDefined()
  expect(cache.get('A h0.far.example')).toBeUndefined()
})

test('it counts what it forgets, so that there is room again', () => {
  let now = 0
  const cache = new AnswerCache({ ...systemClock, now: () => now })
  cache.set('A far.example', addresses(32), 60)
  cache.set('A far.example', addresses(1), 60)
  cache.set('A near.example', addresses(3), 60)
  now = 60_001
  expect(cache.get('A far.example')).toBeUndefined()
  expect(cache.get('A near.example')).toBeUndefined()
  expect(cache.bytes).toBe(0)
})

test('what is in use stays, though strangers fill it with names of their own', () => {
  const cache = new AnswerCache(systemClock, 100_000)
  cache.set('MX far.example', addresses(1), 86_400)
  for (let n = 0; n < 1000; n++) {
    cache.set(`A h${n}.stranger.example`, addresses(32), 86_400)
    expect(cache.get('MX far.example')).toBeDefined()
  }
})
