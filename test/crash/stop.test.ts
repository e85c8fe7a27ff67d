// Ends and starts that are no accident: SIGTERM finishes what is under way, one data folder has
// one relay, and what was queued is there at once at the next start.

import { describe, expect, test } from 'vitest'
import { FULL, SEED } from '../peers/chance.ts'
import { need } from '../peers/debian.ts'
import { ON_REDIS } from '../peers/engine.ts'
import { createProcess, run, startProcess, until } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'
import { startTally } from '../peers/tally.ts'
import { doubles, kill, missing, settled, standing, startWorld, waiting } from './world.ts'

const wantSource = await need('postfix')

describe('A relay that is told to stop', () => {
  test(
    'under load ends with 0, and nothing is lost or sent twice',
    { timeout: 120_000 },
    async () => {
      await using world = await startWorld(6, SEED)
      for (let round = 0; round < (FULL ? 3 : 1); round++) {
        const before = world.load.accepted.size
        await until(
          () => world.load.accepted.size > before + 100,
          () => world.relay.said(),
        )
        expect(await world.relay.stop()).toBe(0)
        await world.relay.start()
      }
      await settled(world)
      expect(missing(world.load, world.tally)).toEqual([])
      expect(doubles(world.tally)).toEqual({ count: 0, unexcused: [] })
    },
  )

  test('waits for the reply to a final dot', async () => {
    await using tally = await startTally()
    const dot = Promise.withResolvers<void>()
    const reply = Promise.withResolvers<void>()
    tally.rules = { dot: () => (dot.resolve(), reply.promise) }
    await using relay = await startProcess({ hop: tally.port })
    await sendOne(relay.port, 1)
    await dot.promise
    const stopped = relay.stop()
    reply.resolve()
    expect(await stopped).toBe(0)
    expect(await waiting(relay)).toEqual([])
    expect(await relay.entries('--state', 'delivered')).toHaveLength(1)
  })

  test('gives up a silent server at the end of the drain, and says that it does not know', async () => {
    await using tally = await startTally()
    const dot = Promise.withResolvers<void>()
    tally.rules = { dot: () => (dot.resolve(), new Promise<void>(() => {})) }
    await using relay = await startProcess({
      hop: tally.port,
      environment: { WAYPOST_DRAIN: '300ms' },
    })
    const id = await sendOne(relay.port, 1)
    await dot.promise
    expect(await relay.stop()).toBe(0)
    expect(await waiting(relay)).toHaveLength(1)
    const { out } = await relay.waypost('trace', id, '--json')
    expect(out).toContain('"unknown"')
  })
})

test.skipIf(ON_REDIS)(
  'a second relay on the same data folder says who holds it, and ends',
  async () => {
    await using relay = await startProcess({ hop: 9 })
    await using second = await createProcess({ hop: 9, data: relay.data })
    await expect(second.start()).rejects.toThrow(String(relay.pid))
    expect(await sendOne(relay.port, 1)).not.toBe('')
  },
)

test.skipIf(wantSource !== undefined)(
  'killed again and again while it delivers what smtp-source sent, the relay delivers all of it',
  { timeout: 120_000 },
  async () => {
    await using world = await startWorld(0, SEED)
    const { relay, tally, chance } = world
    tally.rules = { ...standing(), connected: () => new Promise(() => {}) }
    const words = ['-s', '20', '-m', '2000', '-l', '2000', '-d', '-N', '-f', 'app@near.example']
    const to = ['-t', 'ok@far.example', `127.0.0.1:${relay.port}`]
    expect(await run('/usr/sbin/smtp-source', [...words, ...to])).toMatchObject({ code: 0 })

    const arrived = (): number => new Set(tally.mails.flatMap((mail) => mail.to)).size
    for (let n = 0; n < (FULL ? 3 : 1); n++) {
      const before = arrived()
      await kill(world)
      tally.rules = standing()
      await relay.start()
      const more = Math.ceil(chance() * 300)
      await until(
        () => arrived() >= Math.min(before + more, 2000),
        () => `${arrived()} arrived`,
      )
    }
    await until(
      () => arrived() === 2000,
      () => `all, ${arrived()} arrived`,
      60_000,
    )
    await relay.emptied()
  },
)

async function sendOne(port: number, number: number): Promise<string> {
  await using talk = await openTalk(port)
  const mail = { from: 'app@near.example', to: ['ok@far.example'], content: numbered(number, 1000) }
  const reply = await sendMail(talk, mail)
  expect(reply).toMatch(/^250 2\.0\.0 queued as /)
  return reply.split(' ').at(-1)!
}
