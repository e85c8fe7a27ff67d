// The moment as a header writes it.

import { expect, test } from 'vitest'
import { formatDate } from '../../src/mail/date.ts'

test('dates are as RFC 5322 has them', () => {
  expect(formatDate(Date.UTC(2026, 0, 1))).toBe('Thu, 01 Jan 2026 00:00:00 +0000')
})
