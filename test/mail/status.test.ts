// Enhanced status codes as sentences (RFC 3463, 5248).

import { expect, test } from 'vitest'
import { sentenceOf, withClass } from '../../src/mail/status.ts'

const cases: [status: string, sentence: string | undefined][] = [
  ['5.1.1', 'There is no mailbox with this address.'],
  ['4.2.2', 'The mailbox is full.'],
  ['5.2.2', 'The mailbox is full.'],
  ['5.1.10', 'The part of the address behind the @ is declared to take no mail.'],
  ['5.7.515', 'The message was turned away for reasons of security or policy.'], // nobody registered it
  ['5.07.26', 'The message failed several checks of its origin.'],
  ['5.0.0', undefined], // says nothing
  ['5.9.1', undefined],
  ['3.1.1', undefined],
  ['RP-001', undefined],
  ['', undefined],
]
for (const [status, sentence] of cases) {
  test(`${status || 'nothing'} means ${sentence ?? 'nothing'}`, () => {
    expect(sentenceOf(status)).toBe(sentence)
  })
}

test('every registered code is one full sentence', () => {
  for (let subject = 1; subject <= 7; subject++)
    for (let detail = 0; detail <= 30; detail++)
      expect(sentenceOf(`5.${subject}.${detail}`)).toMatch(/^[A-Z].*\S\.$/)
})

test('the class of a status follows the reply it came with', () => {
  expect(withClass('5.7.32', 4)).toBe('4.7.32')
  expect(withClass('4.1.1', 5)).toBe('5.1.1')
  expect(withClass('RP-001', 5)).toBe('5.0.0')
  expect(withClass(undefined, 2)).toBe('2.0.0')
})
