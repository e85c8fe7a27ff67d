// A filter in words, as the log has it.

import { expect, test } from 'vitest'

import { describeFilter } from '../../src/queue/fits.ts'
import type { Filter } from '../../src/queue/port/reader.ts'

const cases: [filter: Filter, words: string][] = [
  [{}, 'everything'],
  [{ ids: ['m1', 'm2'] }, 'id m1 m2'],
  [{ ids: ['m1', 'm2', 'm3', 'm4', 'm5'] }, 'id m1 m2 m3 and 2 more'],
  [{ domain: 'far.example', states: ['held'] }, 'domain far.example, state held'],
  [{ from: '', minAttempts: 3 }, 'from <>, attempts at least 3'],
  [{ acceptedBefore: 0 }, 'accepted before 1970-01-01T00:00:00.000Z'],
]
for (const [filter, words] of cases)
  test(`what was asked for is told as "${words}"`, () => {
    expect(describeFilter(filter)).toBe(words)
  })
