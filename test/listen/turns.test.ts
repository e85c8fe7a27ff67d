// Who is read next: a round of the event loop serves everybody a little.

import { expect, test } from 'vitest'
import { Turns } from '../../src/listen/door/turns.ts'
import { startWorld } from './world.ts'

/** Turns whose rounds a test begins, and sessions that want `lines` each time they may read. */
function createWorld() {
  const rounds: (() => void)[] = []
  const turns = new Turns((work) => void rounds.push(work))
  const log: string[] = []
  const session = (name: string, lines: number, more = 0, maySend = true) => {
    let left = more
    return {
      maySend,
      resume(): void {
        log.push(name)
        turns.spend(lines)
        if (left-- > 0) turns.wait(this)
      },
    }
  }
  return { turns, log, session, round: () => rounds.shift()?.(), rounds }
}

test('who has little to say is served before who has much', () => {
  const { turns, log, session, round } = createWorld()
  turns.spend(1000)
  turns.wait(session('flood', 50, 10))
  expect(turns.mayRead(session('app', 1))).toBe(false)
  round()
  expect(log.slice(0, 2)).toEqual(['app', 'flood'])
})

test('those who have much take turns, a part of each round', () => {
  const { turns, log, session, round, rounds } = createWorld()
  for (const name of ['a', 'b', 'c', 'd']) turns.wait(session(name, 50, 3))
  round()
  expect(log).toEqual(['a', 'b'])
  round()
  expect(log).toEqual(['a', 'b', 'c', 'd'])
  while (rounds.length > 0) round()
  expect(log).toHaveLength(16)
  expect(log.slice(4, 8)).toEqual(['a', 'b', 'c', 'd'])
})

test('a round that has cost enough lets nobody else read', () => {
  const { turns, log, session, round } = createWorld()
  const app = session('app', 1)
  expect(turns.mayRead(app)).toBe(true)
  turns.spend(400)
  expect(turns.mayRead(app)).toBe(false)
  expect(log).toEqual([])
  round()
  expect(log).toEqual(['app'])
  expect(turns.mayRead(app)).toBe(true)
})

test('a client that may send is served before any number of strangers', () => {
  const { turns, log, session, round } = createWorld()
  const strangers = Array.from({ length: 50 }, (_, n) => session(`stranger ${n}`, 20, 0, false))
  expect(strangers.filter((one) => turns.mayRead(one))).toHaveLength(50)
  turns.spend(100)
  expect(strangers.filter((one) => turns.mayRead(one))).toHaveLength(0)
  const app = session('app', 1)
  expect(turns.mayRead(app)).toBe(true)
  turns.spend(300)
  expect(turns.mayRead(app)).toBe(false)
  round()
  expect(log).toEqual(['app', ...Array.from({ length: 5 }, (_, n) => `stranger ${n}`)])
})

test('who has left is not served', () => {
  const { turns, log, session, round } = createWorld()
  const gone = session('gone', 1)
  turns.wait(gone)
  turns.leave(gone)
  round()
  expect(log).toEqual([])
})

test('a client that says a thousand things at once waits while another says one', async () => {
  await using world = await startWorld()
  await using flood = await world.dial()
  await using app = await world.dial()
  const heard: string[] = []
  await flood.hear()
  await app.hear()
  await flood.say('EHLO a')
  await flood.say('MAIL FROM:<>')
  const many = Array.from({ length: 1000 }, (_, n) => `RCPT TO:<r${n}@c.test>\r\n`).join('')
  flood.write(`${many}RSET\r\n`)
  app.write('NOOP\r\n')
  const all = async (): Promise<void> => {
    while (!(await flood.hear()).endsWith('Reset'));
    heard.push('flood')
  }
  await Promise.all([all(), app.hear().then(() => heard.push('app'))])
  expect(heard).toEqual(['app', 'flood'])
})
