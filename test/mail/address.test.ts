// Addresses and domains (RFC 5321 4.1.2, 6531 3.3, 5890).

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatAddress,
  formatPath,
  literalAddress,
  needsSmtpUtf8,
  parseAddress,
  parseDomain,
} from '../../src/mail/address.ts'
import { runs } from '../peers/chance.ts'

const sound: [text: string, local: string, domain: string][] = [
  ['Bo@Far.Example', 'Bo', 'far.example'], // local parts keep their case
  ['a+b@far.example', 'a+b', 'far.example'],
  ['"b o"@far.example', '"b o"', 'far.example'],
  ['"a@b"@far.example', '"a@b"', 'far.example'],
  ['"a\\"b"@far.example', '"a\\"b"', 'far.example'],
  ['böß@grün.example', 'böß', 'xn--grn-ioa.example'],
  ['bo@[192.0.2.1]', 'bo', '[192.0.2.1]'],
  ['bo@[IPv6:2001:DB8::1]', 'bo', '[ipv6:2001:db8::1]'],
  [`${'l'.repeat(64)}@far.example`, 'l'.repeat(64), 'far.example'],
  [`${'l'.repeat(242)}@far.example`, 'l'.repeat(242), 'far.example'],
  [`"${'l'.repeat(200)}"@far.example`, `"${'l'.repeat(200)}"`, 'far.example'],
  ['ab..cd@far.example', 'ab..cd', 'far.example'],
  ['.bo@far.example', '.bo', 'far.example'],
  ['bo.@far.example', 'bo.', 'far.example'],
  ['"a>b<c"@far.example', '"a>b<c"', 'far.example'],
  ['"a b".c@far.example', '"a b".c', 'far.example'],
  ['""@far.example', '""', 'far.example'],
]
for (const [text, local, domain] of sound) {
  test(`"${text}" is an address at ${domain}`, () => {
    const address = parseAddress(text)!
    expect(address).toEqual({ local, domain })
    expect(parseAddress(formatAddress(address))).toEqual(address)
  })
}

const wrong = [
  '',
  'bo',
  '@far.example',
  'bo@',
  'bo@far..example',
  'b o@far.example',
  'bo>@far.example',
  'b<o@far.example',
  '"b\ro"@far.example',
  '"b\no"@far.example',
  '"b\0o"@far.example',
  '"b\x7fo"@far.example',
  '"b\\\ro"@far.example',
  '"b"o"@far.example',
  '"bo@far.example',
  'b"o"@far.example',
  '"b"@"o"@far.example',
  'b\\@o@far.example',
  'bo@far.example\r\nRCPT TO:<x@y.example>',
  'bo@-far.example',
  'bo@a/b.example',
  'bo@ex%41mple.example',
  'bo@[192.0.2.256]',
  'bo@[IPv6:192.0.2.1]',
  `${'l'.repeat(243)}@far.example`,
  `${'é'.repeat(122)}@far.example`,
  `bo@${'l'.repeat(64)}.example`,
  `bo@${'far.'.repeat(64)}example`,
]
for (const text of wrong) {
  test(`${JSON.stringify(text.slice(0, 50))} is no address`, () => {
    expect(parseAddress(text)).toBeUndefined()
  })
}

describe('whatever a stranger writes', () => {
  const text = fc
    .array(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('@', '"', '\\', '.', '<', '\r\n')),
    )
    .map((pieces) => pieces.join(''))

  test('an address cannot end a command or its path', () => {
    fc.assert(
      fc.property(text, text, (local, domain) => {
        const address = parseAddress(`${local}@${domain}`)
        if (address === undefined) return
        const unquoted = formatPath(address)
          .slice(1, -1)
          .replaceAll(/"(?:[^"\\]|\\.)*"/gu, '')
        expect(unquoted).not.toMatch(/[\s<>]/u)
        expect(formatPath(address)).not.toMatch(/\p{Cc}/u)
        expect(parseAddress(formatAddress(address))).toEqual(address)
      }),
      runs(2000),
    )
  })

  test('a domain is in one form, which reads as itself', () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), text), (given) => {
        const domain = parseDomain(given)
        if (domain === undefined) return
        expect(domain).toMatch(/^(?:[a-z0-9._-]+|\[[a-z0-9:.]+\])$/)
        expect(parseDomain(domain)).toBe(domain)
      }),
      runs(2000),
    )
  })
})

test('the null reverse-path is written <>', () => {
  expect(formatPath(undefined)).toBe('<>')
  expect(formatPath(parseAddress('bo@far.example'))).toBe('<bo@far.example>')
})

test('only a local part beyond ASCII needs SMTPUTF8', () => {
  expect(needsSmtpUtf8(parseAddress('bo@grün.example')!)).toBe(false)
  expect(needsSmtpUtf8(parseAddress('bö@far.example')!)).toBe(true)
})

test('a literal gives its address', () => {
  expect(literalAddress(parseDomain('[IPv6:2001:db8::1]')!)).toBe('2001:db8::1')
  expect(literalAddress(parseDomain('[192.0.2.1]')!)).toBe('192.0.2.1')
  expect(literalAddress(parseDomain('far.example')!)).toBeUndefined()
})
