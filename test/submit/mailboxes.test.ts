// Addresses of From and Sender (RFC 5322 3.4), as the question "who says it wrote this" needs them.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readMailboxes } from '../../src/submit/header/mailboxes.ts'
import { formatAddress } from '../../src/mail/address.ts'
import { runs } from '../peers/chance.ts'
import { growth, LINEAR } from '../peers/growth.ts'

const CASES: [body: string, addresses: string[] | undefined][] = [
  [' ana@near.example\r\n', ['ana@near.example']],
  [' Ana <ana@near.example>\r\n', ['ana@near.example']],
  [' "Ana, M." <ana@near.example>, bo@far.example\r\n', ['ana@near.example', 'bo@far.example']],
  [' Ana (the <first@x.test>) <ana@near.example>\r\n', ['ana@near.example']],
  [' ana@near.example (Ana)\r\n', ['ana@near.example']],
  [' ana @ near . example\r\n', ['ana@near.example']],
  [' Ana\r\n <ana@near.example>\r\n', ['ana@near.example']],
  [' "a b"@near.example\r\n', ['"a b"@near.example']],
  [' Friends: ana@near.example, bo@far.example;\r\n', ['ana@near.example', 'bo@far.example']],
  [' <@hop.example:ana@near.example>\r\n', ['ana@near.example']],
  [' "evil@x.test" <ana@near.example>\r\n', ['ana@near.example']],
  [' evil@x.test <ana@near.example>\r\n', ['ana@near.example', 'evil@x.test']],
  [' [evil @ x . test] <ana@near.example>\r\n', ['ana@near.example', 'evil@x.test']],
  [' evil@x.test: ana@near.example;\r\n', ['evil@x.test', 'ana@near.example']],
  [' a@b@x.test <ana@near.example>\r\n', undefined],
  [' Support @ Home <ana@near.example>\r\n', ['ana@near.example']],
  [' Lund, Ana <ana@near.example>\r\n', ['ana@near.example']],
  [' Lund, Ana (Sales) <ana@near.example>\r\n', ['ana@near.example']],
  [' Lund, Ana <ana@near.example>, bo@far.example\r\n', ['ana@near.example', 'bo@far.example']],
  [' "evil@x.test", Ana <ana@near.example>\r\n', undefined],
  [' Ana Lund ana@near.example\r\n', ['ana@near.example', 'AnaLundana@near.example']],
  [' Lund, ana@near.example\r\n', ['ana@near.example']],
  [' Ana evil@x.test ana@near.example\r\n', undefined],
  [' Ana <ana@near.example>>\r\n', ['ana@near.example']],
  [' nobody:;\r\n', []],
  [' Ana\r\n', undefined],
  [' <ana@near.example> <bo@far.example>\r\n', undefined],
  [' <ana@near.example> bo@far.example\r\n', undefined],
  [' <ana@near.example> "bo@far.example"\r\n', undefined],
  [' <ana@near.example> (here), bo@far.example\r\n', ['ana@near.example', 'bo@far.example']],
  [' Ana <ana@near.example\r\n', ['ana@near.example']],
  [' Ana <ana@near.example evil.test\r\n', undefined],
  [' Ana <evil@x.test, <ana@near.example\r\n', undefined],
  [' "Ana <ana@near.example>\r\n', undefined],
  [' (ana@near.example\r\n', undefined],
]
for (const [body, addresses] of CASES)
  test(`From:${JSON.stringify(body.trim())} is by ${addresses?.join(' and ') ?? 'nobody certain'}`, () => {
    expect(readMailboxes(body)?.map(formatAddress)).toEqual(addresses)
  })

test('any bytes are read in time, and give sound addresses or none', () => {
  const body = fc
    .array(
      fc.constantFrom(
        '<',
        '>',
        '@',
        '"',
        '\\',
        ':',
        ';',
        ',',
        ' ',
        '.',
        'a',
        '(',
        ')',
        '\xe9',
        '\r\n ',
      ),
    )
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(body, (text) => {
      for (const address of readMailboxes(text) ?? [])
        expect(formatAddress(address).replaceAll(/"(?:[^"\\]|\\.)*"/g, '')).not.toMatch(/[\s<>]/u)
    }),
    runs(5000),
  )
})

for (const character of [' ', '(', '"', '<', ',', '.'])
  test(`a field of ${JSON.stringify(character)} alone is read once, however long it is`, () => {
    const read = (length: number): void => void readMailboxes(character.repeat(length))
    expect(growth(read, 2500)).toBeLessThan(LINEAR)
  })
