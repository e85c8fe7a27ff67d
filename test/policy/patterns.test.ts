// The index against a reference that compares every rule with every address, in plain words.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/mail/address.ts'
import {
  coversAll,
  createIndex,
  createMatcher,
  firstOf,
  fitting,
  parsePattern,
} from '../../src/policy/patterns.ts'
import type { Pattern } from '../../src/policy/patterns.ts'
import { runs } from '../peers/chance.ts'

// Few labels, so that patterns and addresses often meet.
const label = fc.constantFrom('a', 'b', 'ab', 'example')
const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const address = fc
  .tuple(fc.constantFrom('x', 'X', 'y'), domain)
  .map(([local, name]) => `${local}@${name}`)
const pattern = fc.oneof(
  { weight: 4, arbitrary: domain },
  { weight: 4, arbitrary: domain.map((name) => `*.${name}`) },
  { weight: 2, arbitrary: address },
  { weight: 1, arbitrary: fc.constant('*') },
)
const rules = fc.array(fc.array(pattern, { minLength: 1, maxLength: 3 }), { maxLength: 12 })

function fits(one: string, target: string): boolean {
  const name = target.slice(target.indexOf('@') + 1)
  if (one === '*') return true
  if (one.includes('@')) return one.toLowerCase() === target.toLowerCase()
  return one.startsWith('*.') ? name.endsWith(one.slice(1)) : name === one
}

function parsedPatterns(texts: readonly string[]): Pattern[] {
  return texts.map((one) => parsePattern(one)!)
}

test('the first rule that fits is found, as by trying one after the other', () => {
  fc.assert(
    fc.property(rules, address, fc.array(fc.nat(11)), (texts, target, refused) => {
      const index = createIndex(texts.map(parsedPatterns))
      const found = parseAddress(target)!
      const accept = (rule: number): boolean => !refused.includes(rule)
      const first = firstOf(fitting(index, found.domain, found), accept)
      const expected = texts.findIndex(
        (rule, number) => accept(number) && rule.some((one) => fits(one, target)),
      )
      expect(first ?? -1).toBe(expected)
    }),
    runs(2000),
  )
})

test('the most specific pattern comes first', () => {
  const specificity = (one: string): number =>
    one === '*' ? 0 : one.includes('@') ? 1000 : one.startsWith('*.') ? one.length : 500
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 8 }), address, (texts, target) => {
      const index = createIndex(texts.map((one) => parsedPatterns([one])))
      const found = parseAddress(target)!
      const first = fitting(index, found.domain, found)[0]?.[0]
      const best = texts.filter((one) => fits(one, target)).map(specificity)
      expect(first === undefined ? undefined : specificity(texts[first]!)).toBe(
        best.length === 0 ? undefined : Math.max(...best),
      )
    }),
    runs(2000),
  )
})

test('what is covered fits nothing that its cover does not', () => {
  const some = fc.array(pattern, { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(some, some, fc.array(address), (wide, narrow, targets) => {
      fc.pre(coversAll(parsedPatterns(wide), parsedPatterns(narrow)))
      const [inWide, inNarrow] = [wide, narrow].map((one) => createMatcher(parsedPatterns(one)))
      for (const target of targets.map((one) => parseAddress(one)!))
        if (inNarrow!(target)) expect(inWide!(target)).toBe(true)
    }),
    runs(2000),
  )
})

for (const text of ['', '*.', '**', '*x.example', 'a.*.example', '.example', 'a..b', '*.*.example'])
  test(`"${text}" is no pattern`, () => expect(parsePattern(text)).toBeUndefined())
for (const text of ['@x.example', 'a b@x.example', 'a@', '*@x.example@', '*.[192.0.2.1]', '<>'])
  test(`"${text}" is no pattern`, () => expect(parsePattern(text)).toBeUndefined())

test('domains are compared as A-labels, in lower case', () => {
  const matches = createMatcher(parsedPatterns(['Bücher.example', '*.ÉTÉ.example']))
  expect(matches(parseAddress('x@xn--bcher-kva.example')!)).toBe(true)
  expect(matches(parseAddress('x@BÜCHER.example')!)).toBe(true)
  expect(matches(parseAddress('x@a.été.example')!)).toBe(true)
  expect(matches(parseAddress('x@été.example')!)).toBe(false)
})
