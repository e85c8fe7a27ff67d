// Every reply of the table has the form of RFC 5321 4.2 and a status of its own class (RFC 2034 4).

import { expect, test } from 'vitest'
import { helloReply, SAY } from '../../src/listen/words/reply.ts'
import { refusedReply } from '../../src/listen/words/verdict-reply.ts'
import { reasonOf } from '../../src/events/refusal.ts'
import { lostHeader, REFUSAL } from '../../src/submit/refusals.ts'
import type { Refusal } from '../../src/submit/verdict.ts'

/** RFC 2034 3 and 4: answers to EHLO and 3yz replies have no status. */
const BARE = new Set(['helloSyntax', 'startContent'])

/** Of the reply, and of its status. */
function classesOf(line: string): string[] | undefined {
  expect(line).toMatch(/^[2-5]\d\d [ -~]{1,500}\r\n$/)
  return /^(\d)\d\d (\d)\.\d{1,3}\.\d{1,3} \S/.exec(line)?.slice(1)
}

for (const [name, line] of Object.entries(SAY))
  test(`the reply "${name}" is well formed`, () => {
    const classes = classesOf(line)
    if (BARE.has(name)) expect(classes).toBeUndefined()
    else expect(classes?.[0]).toBe(classes?.[1])
  })

const refusals: [name: string, refusal: Refusal][] = [
  ...Object.entries(REFUSAL),
  ['lostHeader', lostHeader(7)],
]
for (const [name, refusal] of refusals)
  test(`the refusal "${name}" is a reply of its class, and metrics call it what it is about`, () => {
    const reply = refusedReply(refusal)
    const classes = classesOf(reply)
    expect(classes?.[0]).toBe(refusal.status[0])
    expect(classes?.[1]).toBe(refusal.status[0])
    expect(reasonOf({ command: 'MAIL FROM:<>', reply })).toBe(refusal.about)
  })

test('the answer to EHLO is one reply of several lines', () => {
  expect(helloReply(['relay.test', 'PIPELINING', 'DSN'])).toBe(
    '250-relay.test\r\n250-PIPELINING\r\n250 DSN\r\n',
  )
})
