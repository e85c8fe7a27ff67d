// What is remembered of refused mail, and that nobody can fill it.

import { expect, test } from 'vitest'
import { RefusedMail, type Refused } from '../../src/events/refused-mail.ts'

const REFUSED: Refused = {
  kind: 'refused',
  at: 1000,
  client: '192.0.2.1',
  command: 'RCPT TO:<Ceo@other.example>',
  reply: '550 5.7.1 Relaying is not allowed',
  from: 'app@near.example',
}

test('a refusal is found by the address that was refused, by its sender and by recipients before', () => {
  const mail = new RefusedMail()
  mail.report(REFUSED)
  mail.report({ ...REFUSED, command: 'DATA', to: ['bo@far.example'] })
  mail.report({ kind: 'warned' } as never)
  expect(mail.find('ceo@OTHER.example')).toEqual([REFUSED])
  expect(mail.find('app@near.example').map(({ command }) => command)).toEqual([
    'DATA',
    'RCPT TO:<Ceo@other.example>',
  ])
  expect(mail.find('bo@far.example')).toHaveLength(1)
  expect(mail.find('other.example')).toEqual([])
})

test('a client pushes out its own refusals, all together are bounded, and a day later they are gone', () => {
  const mail = new RefusedMail()
  mail.report(REFUSED)
  const flood = {
    ...REFUSED,
    client: '198.51.100.1',
    command: `MAIL FROM:<x@y.example> ${'x'.repeat(9000)}`,
  }
  for (let n = 0; n < 5000; n++) mail.report(flood)
  expect(mail.find('x@y.example')).toHaveLength(50)
  expect(mail.find('x@y.example')[0]!.command.length).toBeLessThanOrEqual(400)
  expect(mail.find('ceo@other.example')).toHaveLength(1)
  for (let n = 0; n < 5000; n++) mail.report({ ...flood, client: `2001:db8::${n}` })
  expect(mail.find('x@y.example')).toHaveLength(2000)
  mail.report({ ...REFUSED, at: REFUSED.at + 25 * 3_600_000 })
  expect(mail.find('x@y.example')).toEqual([])
  expect(mail.find('ceo@other.example')).toHaveLength(1)
})
