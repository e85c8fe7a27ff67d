// Mail that is kept in memory for its first attempt: within a bound, and none where nobody delivers.

import { expect, test } from 'vitest'

import { FreshMail } from '../../src/queue/fresh.ts'
import type { NewMail } from '../../src/queue/port/intake.ts'

function mailOf(size: number, deliveries = 1): NewMail {
  const content = { key: '', size, bytes: Buffer.alloc(size) }
  return { content, deliveries: Array.from({ length: deliveries }, () => ({})) } as never
}

test('mail is kept until each of its deliveries was taken', () => {
  const fresh = new FreshMail<number>(100_000)
  const mail = mailOf(10, 2)
  fresh.keep(1, mail)
  expect([fresh.take(1), fresh.take(1), fresh.take(1)]).toEqual([mail, mail, undefined])
})

test('the oldest goes when there is no room, and what is larger than all room never comes in', () => {
  const gone: number[] = []
  const fresh = new FreshMail<number>(100_000, (key) => gone.push(key))
  for (let key = 1; key <= 3; key++) fresh.keep(key, mailOf(40_000))
  expect(gone).toEqual([1])
  fresh.keep(4, mailOf(200_000))
  expect(gone).toEqual([1, 4])
  expect([1, 2, 3, 4].filter((key) => fresh.take(key) !== undefined)).toEqual([2, 3])
})

test('without room nothing is kept', () => {
  const fresh = new FreshMail<number>(0)
  fresh.keep(1, mailOf(10))
  expect(fresh.take(1)).toBeUndefined()
})
