import { expect, test } from 'vitest'
import { parseAddress } from '../../src/mail/address.ts'
import { policyOf } from './folder.ts'

const HASH = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
const USERS = `# comment
billing: { password: '${HASH}', senders: [billing.example, '*.sub.example', invoices@example.com] }
free: { password: '${HASH}' }
`

const cases: [user: string, sender: string, allowed: boolean, at: string][] = [
  ['billing', 'anyone@billing.example', true, 'users.yaml:2'],
  ['billing', 'anyone@x.billing.example', false, 'users.yaml:2'],
  ['billing', 'anyone@BILLING.example', true, 'users.yaml:2'],
  ['billing', 'ana@a.sub.example', true, 'users.yaml:2'],
  ['billing', 'ana@a.b.sub.example', true, 'users.yaml:2'],
  ['billing', 'ana@sub.example', false, 'users.yaml:2'],
  ['billing', 'ana@evilsub.example', false, 'users.yaml:2'],
  ['billing', 'invoices@example.com', true, 'users.yaml:2'],
  ['billing', 'Invoices@example.com', true, 'users.yaml:2'],
  ['billing', 'other@example.com', false, 'users.yaml:2'],
  ['free', 'anyone@anywhere.example', true, 'users.yaml:3'],
  ['nobody', 'ana@billing.example', false, 'no such user in users.yaml'],
  ['__proto__', 'ana@billing.example', false, 'no such user in users.yaml'],
]

for (const [user, sender, allowed, at] of cases) {
  test(`${user} ${allowed ? 'may' : 'may not'} send as ${sender}`, async () => {
    const policy = await policyOf({ 'users.yaml': USERS })
    expect(policy.maySend(user, parseAddress(sender))).toEqual({ allowed, at })
  })
}

test('every user may use the null sender', async () => {
  const policy = await policyOf({ 'users.yaml': USERS })
  expect(policy.maySend('billing', undefined)).toEqual({ allowed: true, at: 'users.yaml:2' })
})

test('a user without senders is pointed out, and one whose senders are all is not', async () => {
  const all = `all: { password: '${HASH}', senders: ['*'] }`
  const policy = await policyOf({ 'users.yaml': USERS + all })
  expect(policy.warnings.map((warning) => warning.at)).toEqual(['users.yaml:3'])
  expect(policy.user('billing')).toEqual({
    name: 'billing',
    password: HASH,
    senders: ['billing.example', '*.sub.example', 'invoices@example.com'],
    at: 'users.yaml:2',
  })
  expect(policy.user('nobody')).toBeUndefined()
})
