import { expect, test } from 'vitest'
import { hashPassword, parseHash, verifyPassword } from '../../src/policy/password.ts'

// Hashes of "password" by the reference implementation, the last one by argon2-cffi of Python.
const KNOWN = [
  '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
  '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc',
  '$argon2id$v=19$m=65536,t=3,p=4$VcwrucwTbCy3PfxHAZ4TAw$YXt7sfw2gjeiTRlhx5QW8u1/zCAfeTX+pNPAa0psDsc',
]

for (const phc of KNOWN) {
  test(`${phc.slice(0, 30)} of another program is verified`, async () => {
    expect(await verifyPassword(phc, 'password')).toBe(true)
    expect(await verifyPassword(phc, 'Password')).toBe(false)
    expect(await verifyPassword(phc, '')).toBe(false)
  })
}

test('a new password is verified, costs what OWASP asks, and is salted', async () => {
  const [one, other] = await Promise.all([hashPassword('pä55 wörd'), hashPassword('pä55 wörd')])
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/)
  expect(one).not.toBe(other)
  expect(await verifyPassword(one, 'pä55 wörd')).toBe(true)
  expect(await verifyPassword(one, 'pa55 word')).toBe(false)
})

test('nobody logs in as a user who is not there, whatever the password', async () => {
  for (const password of ['', 'password', '\0'.repeat(32)])
    expect(await verifyPassword(undefined, password)).toBe(false)
})

const SALT = 'c29tZXNhbHQ'
const HASH = 'nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
const wrong: [what: string, phc: string][] = [
  ['a password in clear', 'password'],
  ['nothing', ''],
  ['bcrypt', '$2b$12$abcdefghijklmnopqrstuuKvHbd9mQvIl8yWTe4o1UcQpS9ZrVyXi'],
  ['argon2i', `$argon2i$v=19$m=256,t=2,p=1$${SALT}$${HASH}`],
  ['an old version', `$argon2id$v=16$m=256,t=2,p=1$${SALT}$${HASH}`],
  ['no version', `$argon2id$m=256,t=2,p=1$${SALT}$${HASH}`],
  ['another order', `$argon2id$v=19$t=2,m=256,p=1$${SALT}$${HASH}`],
  ['too much memory', `$argon2id$v=19$m=262145,t=2,p=1$${SALT}$${HASH}`],
  ['memory beyond all bounds', `$argon2id$v=19$m=4294967296,t=2,p=1$${SALT}$${HASH}`],
  ['too little memory for its lanes', `$argon2id$v=19$m=15,t=2,p=2$${SALT}$${HASH}`],
  ['too many passes', `$argon2id$v=19$m=256,t=11,p=1$${SALT}$${HASH}`],
  ['no passes', `$argon2id$v=19$m=256,t=0,p=1$${SALT}$${HASH}`],
  ['too many lanes', `$argon2id$v=19$m=256,t=2,p=17$${SALT}$${HASH}`],
  ['a leading zero', `$argon2id$v=19$m=0256,t=2,p=1$${SALT}$${HASH}`],
  ['a sign', `$argon2id$v=19$m=+256,t=2,p=1$${SALT}$${HASH}`],
  ['a short salt', `$argon2id$v=19$m=256,t=2,p=1$c29tc2FsdA$${HASH}`],
  ['a short hash', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$nf65EOgLrQMR`],
  ['no hash', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$`],
  ['a padded hash', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$${HASH}=`],
  ['a hash in another alphabet', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$${HASH.replace('/', '_')}`],
  ['bits behind the hash', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$${HASH.slice(0, -1)}5`],
  ['a line behind it', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$${HASH}\n`],
  ['more fields', `$argon2id$v=19$m=256,t=2,p=1$${SALT}$${HASH}$x`],
]

for (const [what, phc] of wrong) {
  test(`${what} is no hash, and verifies nothing`, async () => {
    expect(parseHash(phc)).toBeUndefined()
    expect(await verifyPassword(phc, 'password')).toBe(false)
  })
}
