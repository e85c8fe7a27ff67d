// Delivery reports (RFC 3464) as text.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDeliveryStatus, formatField } from '../../src/mail/dsn.ts'
import { parseHeader, valueOf } from '../../src/mail/header.ts'

const AT = Date.UTC(2026, 10, 22, 22, 38, 13)
const ONE = { finalRecipient: 'rfc822; bo@far.example', action: 'failed', status: '5.1.1' } as const

test('fields stand in groups, the message first, then each recipient', () => {
  const message = { reportingMta: 'relay.example', arrivedAt: AT }
  const text = formatDeliveryStatus(message, [ONE, { ...ONE, lastAttemptAt: AT }], false)
  expect(text.split('\r\n')).toEqual([
    'Reporting-MTA: dns; relay.example',
    'Arrival-Date: Sun, 22 Nov 2026 22:38:13 +0000',
    '',
    'Final-Recipient: rfc822; bo@far.example',
    'Action: failed',
    'Status: 5.1.1',
    '',
    'Final-Recipient: rfc822; bo@far.example',
    'Action: failed',
    'Status: 5.1.1',
    'Last-Attempt-Date: Sun, 22 Nov 2026 22:38:13 +0000',
    '',
  ])
})

test('beyond ASCII is written only where the form allows it', () => {
  expect(formatField('X', 'grün')).toBe('X: gr\\u{fc}n\r\n')
  expect(formatField('X', 'grün', true)).toBe('X: grün\r\n')
})

test('a field stays one field, in short lines, whatever it says', () => {
  const hostile = fc.array(
    fc.oneof(
      fc.constantFrom('\r\n', '\n', '\r\nX-Forged: y', ' ', '  ', '\t', '\x1b', '\u202e', '😀'),
      fc.string({ unit: 'binary' }),
      fc.string({ minLength: 900, maxLength: 1200 }),
      fc.constantFrom('😀'.repeat(700)),
    ),
  )
  fc.assert(
    fc.property(hostile, fc.boolean(), (pieces, utf8) => {
      const text = Buffer.from(formatField('Diagnostic-Code', `smtp; ${pieces.join('')}`, utf8))
      expect(parseHeader(text).fields).toHaveLength(1)
      expect(parseHeader(text).bodyStart).toBe(text.length)
      for (const line of text.toString('latin1').split('\r\n'))
        expect(line.length).toBeLessThan(998)
      expect(text.toString()).not.toMatch(utf8 ? /[^\P{Cc}\r\n]|\p{Cf}/u : /[^\r\n\x20-\x7e]/)
      expect(text.toString()).not.toMatch(/\r\n +\r\n/) // an empty line for some readers
    }),
  )
})

test('folding changes nothing but line ends', () => {
  const words = fc.array(
    fc.string({ minLength: 1, maxLength: 60 }).map((word) => word.replaceAll(' ', '_')),
  )
  fc.assert(
    fc.property(words, (given) => {
      const value = given.join(' ')
      const [field] = parseHeader(Buffer.from(formatField('X', value))).fields
      expect(valueOf(field!)).toBe(value)
    }),
  )
})
