// Limits that servers enforce without announcing them, and what they ask for: a fresh connection, fewer
// recipients, a pause. None of it is an attempt of the mail.

import { expect, test } from 'vitest'
import { drop } from '../peers/mx.ts'
import type { Answer, Session } from '../peers/mx.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const SECOND = 1000
const ONE = { 'policies/shaping.yaml': '- { default: true, connections: 1 }\n' }

function attempts(world: World): number[] {
  return world.told('ended').map(({ id, to }) => {
    const told = world.told('attempted').filter((event) => event.id === id && event.to === to)
    return told.at(-1)!.attempts
  })
}

/** Answers by how many messages the session has taken. */
function counting(limit: number, verb: 'MAIL' | 'RCPT' | 'DATA', reply: string) {
  const taken = new Map<number, number>()
  const of = ({ number }: Session): number => taken.get(number) ?? 0
  return {
    [verb]: (_: string, session: Session): Answer =>
      of(session) >= limit ? reply : verb === 'DATA' ? '354 go on' : '250 ok',
    dot: (_: string, session: Session): Answer => {
      taken.set(session.number, of(session) + 1)
      return '250 taken'
    },
  }
}

const SESSIONS: [verb: 'MAIL' | 'RCPT' | 'DATA', reply: string][] = [
  ['MAIL', '452 4.5.3 Too many recipients: Too many messages sent'], // OpenSMTPD
  ['MAIL', '450 4.5.1 Enough of this session'],
  ['DATA', '452 4.4.5 Maximum number of messages per session exceeded.'], // stalwart
  ['RCPT', '450 Too many recipient attempts'], // Haraka's limit
  ['MAIL', '421 too many messages in this connection'], // Exim
]
for (const [verb, reply] of SESSIONS) {
  test(`a server that says "${reply}" at ${verb} gets the message on a fresh connection`, async () => {
    await using world = await startWorld({ files: ONE })
    const mx = await world.mx(counting(5, verb, reply), 'far.example')
    for (let n = 0; n < 40; n++) await world.send({ to: [`u${n}@far.example`] })
    await world.until(() => world.told('ended').length === 40)
    expect(mx.taken).toHaveLength(40)
    expect(new Set(attempts(world))).toEqual(new Set([1]))
    expect(mx.sessions).toBe(8)
    // After two sessions it is known how many each takes.
    const refused = mx.heard.filter((line) => line.startsWith('MAIL')).length - 40
    expect(refused).toBeLessThanOrEqual(reply.startsWith('421') ? 7 : 2)
  })
}

test('a recipient who is put off is not asked about on a fresh connection each time', async () => {
  await using world = await startWorld({ files: ONE })
  const RCPT = (line: string): Answer =>
    line.includes('grey') ? '450 4.7.1 <x@far.example>: Greylisted for 300 seconds' : '250 ok'
  const mx = await world.mx({ RCPT }, 'far.example')
  for (let n = 0; n < 10; n++) await world.send({ to: [`u${n}@far.example`] })
  for (let n = 0; n < 20; n++) await world.send({ to: [`grey${n}@far.example`] })
  await world.until(() => world.told('attempted').length === 30)
  expect(mx.sessions).toBe(2)
  expect(world.told('suspended')).toEqual([])
})

test('a mailbox that is full is that recipient’s matter', async () => {
  await using world = await startWorld({ files: ONE })
  const RCPT = (line: string): Answer => (line.includes('full') ? '452 4.2.2 full' : '250 ok')
  const mx = await world.mx({ RCPT }, 'far.example')
  for (const name of ['a', 'full', 'b']) await world.send({ to: [`${name}@far.example`] })
  await world.until(() => world.told('attempted').length === 3)
  expect(mx.sessions).toBe(1)
})

test('a server that hangs up behind twenty refusals stops nobody who can be reached', async () => {
  await using world = await startWorld({ files: ONE })
  const errors = new Map<number, number>()
  // Postfix: smtpd_hard_error_limit = 20.
  const RCPT = (line: string, { number }: Session): Answer => {
    if (!line.includes('gone')) return '250 ok'
    const count = (errors.get(number) ?? 0) + 1
    errors.set(number, count)
    return count > 20 ? '421 4.7.0 mx.far.example Error: too many errors' : '550 5.1.1 who?'
  }
  await world.mx({ RCPT }, 'far.example')
  for (let list = 0; list < 4; list++) {
    const to = Array.from({ length: 90 }, (_, n) => {
      return `${n % 3 === 0 ? 'gone' : 'u'}${list}-${n}@far.example`
    })
    await world.send({ to })
  }
  await world.send({ to: ['last@far.example'] })
  const theirs = () => world.told('ended').filter(({ to }) => to.endsWith('@far.example'))
  await world.until(() => theirs().length === 361)
  const ends = theirs().map(({ end }) => end)
  expect(ends.filter((end) => end === 'delivered')).toHaveLength(241)
  expect(new Set(attempts(world))).toEqual(new Set([1]))
  expect(world.told('suspended')).toEqual([])
})

test('nobody is bounced because there were too many of them', async () => {
  await using world = await startWorld({ files: ONE })
  let count = 0
  const over = new Set<number>()
  // Exim: recipients_max = 6, recipients_max_reject = true.
  const mx = await world.mx(
    {
      MAIL: (_, { number }) => {
        over.delete(number)
        count = 0
        return '250 ok'
      },
      RCPT: (_, { number }) => {
        if (++count <= 6) return '250 ok'
        over.add(number)
        return '552 too many recipients'
      },
      DATA: (_, { number }) => (over.has(number) ? '554 Too many recipients' : '354 go on'),
    },
    'far.example',
  )
  await world.send({ to: Array.from({ length: 35 }, (_, n) => `u${n}@far.example`) })
  await world.until(() => world.told('ended').length === 35)
  expect(new Set(world.told('ended').map(({ end }) => end))).toEqual(new Set(['delivered']))
  expect(new Set(attempts(world))).toEqual(new Set([1]))
  expect(mx.taken).toHaveLength(6)
})

test('a server that wants a pause gets one, and no attempt is burned', async () => {
  await using world = await startWorld()
  let left = 10
  const MAIL = (): Answer =>
    left-- > 0 ? '250 ok' : '450 4.7.1 Error: too much mail from 127.0.0.1'
  const mx = await world.mx({ MAIL }, 'far.example')
  for (let n = 0; n < 30; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('suspended').length === 1)
  expect(world.told('suspended')[0]).toMatchObject({ cause: 'rate' })
  // What it takes in a minute it takes again in the next.
  for (const taken of [10, 20]) {
    await world.until(() => world.told('ended').length === taken)
    await world.quiet()
    left = 10
    world.pass(60 * SECOND)
  }
  await world.until(() => world.told('ended').length === 30)
  expect(new Set(attempts(world))).toEqual(new Set([1]))
  expect(mx.taken).toHaveLength(30)
})

test('a pace that is refused after the dot is no attempt either', async () => {
  await using world = await startWorld({ files: ONE })
  await world.mx(
    { dot: ['250 taken', '451 4.7.0 Rate limit exceeded', '250 taken'] },
    'far.example',
  )
  for (let n = 0; n < 3; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('suspended').length === 1)
  world.pass(11 * SECOND)
  await world.until(() => world.told('ended').length === 3)
  expect(attempts(world)).toEqual([1, 1, 1])
})

test('what is said in the same words to three messages at MAIL is said to the relay', async () => {
  await using world = await startWorld({ files: ONE })
  const mx = await world.mx({ MAIL: '451 4.3.0 Come back some other time' }, 'far.example')
  for (let n = 0; n < 20; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('suspended').length === 1)
  await world.until(() => world.told('attempted').length === 3)
  expect(world.told('attempted').map((event) => event.attempts)).toEqual([1, 1, 0])
  mx.change({ MAIL: '250 ok' })
  world.pass(61 * SECOND)
  await world.until(() => world.told('ended').length === 20)
})

test('what is said of one sender’s address holds back nobody else', async () => {
  await using world = await startWorld({ files: ONE })
  const MAIL = (line: string): Answer =>
    line.includes('bad') ? '450 4.1.8 Sender address rejected: Domain not found' : '250 ok'
  await world.mx({ MAIL }, 'far.example')
  for (let n = 0; n < 6; n++) await world.send({ from: 'a@bad.example', to: [`x${n}@far.example`] })
  for (let n = 0; n < 6; n++) await world.send({ to: [`u${n}@far.example`] })
  await world.until(() => world.told('ended').length === 6)
  expect(world.told('suspended')).toEqual([])
})

test('a batch that makes the server hang up stops its site once, and not again and again', async () => {
  await using world = await startWorld({ files: ONE })
  const RCPT = (line: string): Answer => (line.includes('poison') ? drop : '250 ok')
  await world.mx({ RCPT }, 'far.example')
  for (let n = 0; n < 6; n++) await world.send({ to: [`poison${n}@far.example`] })
  await world.until(() => world.told('suspended').length === 1)
  for (let n = 0; n < 5; n++) await world.send({ to: [`u${n}@far.example`] })
  world.pass(11 * SECOND)
  await world.until(() => world.told('ended').length === 5)
  for (let round = 0; round < 3; round++) {
    world.pass(15 * 60 * SECOND)
    await world.send({ to: [`late${round}@far.example`] })
    await world.until(() => world.told('ended').length === 6 + round)
  }
  expect(world.told('suspended')).toHaveLength(1)
})

test('a server that still counts the connection we ended is asked again, and not suspended', async () => {
  const shaping = '- { default: true, connections: 1, messages-per-connection: 5 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  let open = 0
  await world.mx(
    {
      greeting: () => (open > 0 ? '421 4.3.2 Too many open connections.' : (open++, '220 ready')),
      QUIT: () => {
        // sendmail's conncontrol: it is counted for some milliseconds more.
        setTimeout(() => open--, 20)
        return { last: '221 2.0.0 bye' }
      },
    },
    'far.example',
  )
  for (let n = 0; n < 20; n++) await world.send({ to: [`u${n}@far.example`] })
  const passing = setInterval(() => world.pass(10), 10)
  await world.until(() => world.told('ended').length === 20)
  clearInterval(passing)
  expect(world.told('suspended')).toEqual([])
  expect(new Set(attempts(world))).toEqual(new Set([1]))
})

test('the echo of a connection that we ended costs no more than it lasts', async () => {
  const shaping = '- { default: true, connections: 1, messages-per-connection: 5 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  let hasEcho = false
  let waits = false
  await world.mx(
    {
      greeting: () => {
        waits = hasEcho
        hasEcho = false
        return waits ? '421 4.3.2 Too many open connections.' : '220 ready'
      },
      QUIT: () => {
        hasEcho = true
        return { last: '221 2.0.0 bye' }
      },
    },
    'far.example',
  )
  for (let n = 0; n < 20; n++) await world.send({ to: [`u${n}@far.example`] })
  let passed = 0
  const passing = setInterval(() => {
    if (!waits) return
    world.pass(5)
    passed += 5
  }, 10)
  await world.until(() => world.told('ended').length === 20)
  clearInterval(passing)
  expect(passed).toBeGreaterThan(0)
  expect(passed).toBeLessThan(200) // three echoes
})

test('urgent mail does not expire untried while its way is open again', async () => {
  const urgent = 'priority: 1\nretry: [1s]\ngive-up-after: 12s\n'
  await using world = await startWorld({ files: { 'queues/urgent.yaml': urgent } })
  const mx = await world.mx({ greeting: '421 4.3.2 Down' }, 'far.example')
  await world.send({ to: ['first@far.example'] })
  // However long it was down, the queue with the least patience bounds the pause.
  for (let step = 0; step < 6; step++) {
    await world.until(() => world.told('suspended').length === step + 1)
    const { at, until } = world.told('suspended').at(-1)!
    expect(until - at).toBeLessThanOrEqual(3 * SECOND)
    if (step < 5) world.pass(3 * SECOND)
  }
  mx.change({ greeting: '220 ready' })
  await world.send({ to: ['new@far.example'] })
  world.pass(3 * SECOND)
  await world.until(() => world.told('ended').length === 2)
})
