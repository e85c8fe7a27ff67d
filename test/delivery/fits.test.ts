// What must be true of a connection and what is true of it meet in one place, for new connections and for
// idle ones alike.

import { expect, test } from 'vitest'
import { fits, lackOf } from '../../src/delivery/connect/fits.ts'
import type { Lack } from '../../src/delivery/connect/fits.ts'
import { TLS_LEVELS } from '../../src/mail/path.ts'
import type { Requirement, TlsLevel } from '../../src/mail/path.ts'

const tls = (verified: boolean) => ({ version: 'TLSv1.3', cipher: 'X', verified })
const REACHED = {
  'in clear': {},
  'under TLS': { tls: tls(false) },
  'under verified TLS': { tls: tls(true) },
} as const
type Reached = keyof typeof REACHED

const ENOUGH: Readonly<Record<TlsLevel, readonly Reached[]>> = {
  none: ['in clear'],
  opportunistic: ['in clear', 'under TLS', 'under verified TLS'],
  required: ['under TLS', 'under verified TLS'],
  verified: ['under verified TLS'],
}
for (const level of TLS_LEVELS)
  for (const reached of Object.keys(REACHED) as Reached[]) {
    const does = ENOUGH[level].includes(reached)
    test(`mail that asks for tls ${level} ${does ? 'goes' : 'does not go'} ${reached}`, () => {
      expect(lackOf(REACHED[reached], { tls: level })).toBe(does ? undefined : 'tls')
    })
  }

const ME = { user: 'me', secret: 'ONE' }
const WAIVED = { ...ME, withoutVerification: true }
const LOGINS: [fact: object, must: Requirement, lack: Lack | undefined, says: string][] = [
  [{ tls: tls(true), login: 'me' }, { tls: 'verified', login: ME }, undefined, 'its own login'],
  [{ tls: tls(true), login: 'you' }, { tls: 'verified', login: ME }, 'login', 'another login'],
  [{ tls: tls(true), login: 'you' }, { tls: 'verified' }, 'login', 'a login'],
  [{ tls: tls(true) }, { tls: 'verified', login: ME }, 'login', 'no login yet, and may log in'],
  [{ tls: tls(false) }, { tls: 'required', login: ME }, 'tls for the password', 'TLS of anybody'],
  [{ tls: tls(false) }, { tls: 'required', login: WAIVED }, 'login', 'TLS of anybody, waived'],
  [{}, { tls: 'none', login: WAIVED }, 'login', 'no TLS, as the rule says'],
  [{}, { tls: 'opportunistic', login: WAIVED }, 'tls for the password', 'STARTTLS hidden'],
]
for (const [fact, must, lack, says] of LOGINS) {
  test(`with ${says}, ${must.login?.user ?? 'nobody'} lacks ${lack ?? 'nothing'}`, () => {
    expect(lackOf(fact, must)).toBe(lack)
  })
}

test('a source is for those who asked for it, and they for no other', () => {
  const bound = { boundTo: '192.0.2.1' }
  expect(fits(bound, { tls: 'none', source: '192.0.2.1' })).toBe(true)
  expect(fits(bound, { tls: 'none', source: '192.0.2.2' })).toBe(false)
  expect(fits(bound, { tls: 'none' })).toBe(false)
  expect(fits({}, { tls: 'none', source: '192.0.2.1' })).toBe(false)
})
