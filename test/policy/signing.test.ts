import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Domain } from '../../src/mail/address.ts'
import { policyOf } from './folder.ts'

const PEM = { type: 'pkcs8', format: 'pem' } as const
const ED = generateKeyPairSync('ed25519').privateKey.export(PEM)
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(PEM)
const SHORT = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export(PEM)
const FILES = {
  'keys/ed.pem': ED,
  'keys/rsa.pem': RSA,
  'keys/short.pem': SHORT,
  'signing.yaml': `- domains: ['*.example.com']
  keys: [{ selector: below, file: keys/ed.pem }]
- domains: [example.com, '*.mail.example.com', deep.x.example.com]
  keys: [{ selector: s2026, file: keys/rsa.pem }, { selector: e2026, file: keys/ed.pem }]
`,
}

const cases: [from: string[], domain: string | undefined, line: number][] = [
  [['example.com'], 'example.com', 3],
  [['x.example.com'], 'example.com', 1],
  [['mail.example.com'], 'example.com', 1],
  [['a.mail.example.com'], 'mail.example.com', 3],
  [['a.b.mail.example.com'], 'mail.example.com', 3],
  [['deep.x.example.com'], 'deep.x.example.com', 3],
  [['other.example', 'x.example.com'], 'example.com', 1],
  [['other.example'], undefined, 0],
  [['evilexample.com'], undefined, 0],
  [[], undefined, 0],
]

for (const [from, domain, line] of cases) {
  test(`mail from ${from.join(' and ') || 'nobody'} is signed for ${domain ?? 'nobody'}`, async () => {
    const signing = (await policyOf(FILES)).signing(from as Domain[])
    expect(signing?.domain).toBe(domain)
    if (domain !== undefined) expect(signing?.at).toBe(`signing.yaml:${line}`)
  })
}

test('keys say their selector and algorithm', async () => {
  const signing = (await policyOf(FILES)).signing(['example.com' as Domain])
  expect(signing?.keys.map(({ selector, algorithm }) => `${selector} ${algorithm}`)).toEqual([
    's2026 rsa-sha256',
    'e2026 ed25519-sha256',
  ])
  expect(signing?.keys[0]?.key.type).toBe('private')
})

test('a short RSA key is pointed out', async () => {
  const { warnings } = await policyOf({
    'keys/short.pem': SHORT,
    'signing.yaml': '- { domains: [x.example], keys: [{ selector: s, file: keys/short.pem }] }',
  })
  expect(warnings.map((warning) => warning.text)).toEqual([
    'is "keys/short.pem", an RSA key of 1024 bits, should be 2048',
  ])
})

test('a domain that stands twice is pointed out', async () => {
  const entry = '- { domains: [x.example], keys: [{ selector: s, file: keys/ed.pem }] }\n'
  const { warnings } = await policyOf({ 'keys/ed.pem': ED, 'signing.yaml': entry + entry })
  expect(warnings.map((warning) => warning.at)).toEqual(['signing.yaml:2'])
})
