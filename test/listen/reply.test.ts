// Every reply of the table has the form of RFC 5321 4.2 and a status of its own class (RFC 2034 4).

import { expect, test } from 'vitest'
import { helloReply, SAY } from '../../src/listen/reply.ts'

/** RFC 2034 3 and 4: answers to EHLO and 3yz replies have no status. */
const BARE = new Set(['helloSyntax', 'startContent'])

for (const [name, line] of Object.entries(SAY))
  test(`the reply "${name}" is well formed`, () => {
    expect(line).toMatch(/^[2-5]\d\d [ -~]{1,500}\r\n$/)
    const status = /^(\d)\d\d (\d)\.\d{1,3}\.\d{1,3} \S/.exec(line)
    if (BARE.has(name)) expect(status).toBeNull()
    else expect(status?.[1]).toBe(status?.[2])
  })

test('the answer to EHLO is one reply of several lines', () => {
  expect(helloReply(['relay.test', 'PIPELINING', 'DSN'])).toBe(
    '250-relay.test\r\n250-PIPELINING\r\n250 DSN\r\n',
  )
})
