// Durations and sizes as operators write them.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/base/units.ts'

const durations: [text: string, milliseconds: number | undefined][] = [
  ['500ms', 500],
  ['10s', 10_000],
  ['5m', 300_000],
  ['1.5h', 5_400_000],
  ['5d', 432_000_000],
  ['5', undefined],
  ['5 m', undefined],
  ['-5m', undefined],
  ['5M', undefined],
  ['', undefined],
]
for (const [text, milliseconds] of durations) {
  test(`"${text}" is ${milliseconds ?? 'no duration'}`, () => {
    expect(parseDuration(text)).toBe(milliseconds)
  })
}

const sizes: [text: string, bytes: number | undefined][] = [
  ['50MB', 52_428_800],
  ['1.5kb', 1536],
  ['0B', 0],
  ['50', undefined],
  ['50M', undefined],
  ['1e3B', undefined],
]
for (const [text, bytes] of sizes) {
  test(`"${text}" is ${bytes ?? 'no size'}`, () => {
    expect(parseSize(text)).toBe(bytes)
  })
}

test('what is printed reads back', () => {
  const unit = fc.constantFrom(1000, 60_000, 3_600_000, 86_400_000)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 23 }), unit, (count, each) => {
      expect(parseDuration(formatDuration(count * each))).toBe(count * each)
      expect(parseSize(formatSize(count * each))).toBeGreaterThan(0)
    }),
  )
})

test('a duration says its two largest units', () => {
  expect(formatDuration(7_500_000)).toBe('2h 5m')
  expect(formatDuration(350)).toBe('350ms')
  expect(formatDuration(86_400_000 + 5000)).toBe('1d')
})
