// Random servers: whatever they answer, each recipient has one outcome or goes on later, what is
// called delivered was taken, and what was taken is delivered or unknown.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { connect } from '../../src/delivery/connect/connect.ts'
import type { TransactionResult } from '../../src/delivery/connection.ts'
import { parseAddress } from '../../src/mail/address.ts'
import { drop, silence, startMx } from '../peers/mx.ts'
import type { Answer, Mx } from '../peers/mx.ts'
import { outcomeOf, outcomesOf } from './judged.ts'
import { runs } from '../peers/chance.ts'

const TIMEOUTS = { reset: 15, mail: 15, rcpt: 15, data: 15, block: 15, dot: 15, quit: 15 }

const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('250 2.0.0 ok') },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Answer>(
      '450 4.2.0 later',
      '452 4.5.3 too many',
      '552 no room',
      '550 5.1.1 who?',
      '421 4.3.2 closing',
      '354 go on',
      '250-one\n250 two',
      'nonsense',
      '250-one\n450 two',
      '550-one\n250 two',
      'nonsense\n250 ok',
      '250 twice\n250 twice',
      { last: '250 2.0.0 ok' },
      drop,
      silence,
    ),
  },
)
const answers = fc.array(answer, { minLength: 1, maxLength: 5 })
const script = fc.record({
  MAIL: answers,
  RCPT: answers,
  DATA: fc.array(fc.oneof({ weight: 5, arbitrary: fc.constant<Answer>('354 go on') }, answer), {
    minLength: 1,
    maxLength: 4,
  }),
  dot: answers,
  RSET: fc.constantFrom<Answer[]>(['250 ok'], ['500 what'], [drop]),
  offers: fc.constantFrom(['PIPELINING'], []),
})

test('no server brings outcomes and what it took apart', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      script,
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      async (script, counts) => {
        await using mx = await startMx(script)
        await converse(mx, counts, isHonest(script))
      },
    ),
    runs(150),
  )
})

// A server that answers one command twice can have its second answer read as that of the dot, or, when
// it says nothing to another command, as that of another recipient: nobody can tell.
function isHonest(script: object): boolean {
  return !JSON.stringify(script).includes('250 twice')
}

async function converse(mx: Mx, counts: readonly number[], honest: boolean): Promise<void> {
  const target = { host: mx.address, address: mx.address, port: mx.port, tls: 'none' } as const
  const { signal } = new AbortController()
  const options = { helloName: 'near.example', clock: systemClock, signal, timeouts: TIMEOUTS }
  const connected = await connect(target, options)
  if (connected.kind !== 'connected') throw new Error(outcomeOf(connected).reply.text)
  const { connection } = connected
  for (const [message, count] of counts.entries()) {
    const content = Buffer.from(`Subject: ${message}\r\n\r\nhello\r\n`)
    const numbers = Array.from({ length: count }, (_, n) => n)
    const result = await connection.send({
      sender: undefined,
      recipients: numbers.map((n) => ({ n, address: parseAddress(`r${n}@far.example`)! })),
      smtpUtf8: false,
      eightBit: false,
      prefix: Buffer.alloc(0),
      size: content.length,
      content,
    })
    check(mx, message, numbers, result, honest)
    if (result.connection !== 'ready') break
  }
  await connection.quit()
}

function check(
  mx: Mx,
  message: number,
  numbers: readonly number[],
  result: TransactionResult,
  honest: boolean,
): void {
  const taken = mx.taken.find(({ content }) => content.includes(`Subject: ${message}\r\n`))
  if (result.connection === 'limit') {
    expect([...result.found.keys(), ...result.later, taken]).toEqual([undefined])
    return
  }
  const decided = [...result.found.keys(), ...result.later].sort((a, b) => a - b)
  expect(decided).toEqual(numbers)
  for (const [n, { kind, reply }] of outcomesOf(result)) {
    const there = taken?.to.includes(`r${n}@far.example`) === true
    if (kind === 'delivered' && honest) expect(there).toBe(true)
    const mayHave = kind === 'unknown' || reply.text.endsWith('may have taken the message')
    if (there && !mayHave && honest) expect(kind).toBe('delivered')
  }
  for (const n of result.later) expect(taken?.to.includes(`r${n}@far.example`) ?? false).toBe(false)
}
