// SIGKILL at any moment loses nothing: what was answered with 250 arrives, bounces or is still
// queued once the relay runs again, and arrives twice only where its final dot had been sent.
// `WAYPOST_TEST_FULL=1` kills about ten times as often.

import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { numbered, openTalk, type Talk } from '../peers/smtp-load.ts'
import { FULL, SEED } from '../peers/chance.ts'
import { until } from '../peers/process.ts'
import {
  doubles,
  kill,
  missing,
  settled,
  standing,
  startWorld,
  unended,
  type World,
} from './world.ts'

const RANDOM_KILLS = FULL ? 30 : 3
const ROUNDS = FULL ? 4 : 1
const sums = { kills: 0, accepted: 0, doubles: 0 }

/** Resolves at the moment to kill. */
type Point = (world: World) => Promise<void>

const POINTS: Record<string, Point> = {
  'while content arrives': async (world) => {
    await beginLarge(world, 600_000)
  },
  'between the dot of a client and our 250': async ({ load, chance }) => {
    const before = load.sent.size
    await until(() => load.sent.size > before)
    await wait(chance() * 3)
  },
  'while large content is stored': async (world) => {
    const talk = await beginLarge(world, 3_000_000)
    talk.write('.\r\n')
    await wait(world.chance() * 60)
  },
  'while it connects': ({ tally }) =>
    new Promise((resolve) => {
      tally.rules = { ...standing(), connected: () => reached(resolve) }
      tally.cut()
    }),
  'between our dot and its reply': ({ tally }) =>
    new Promise((resolve) => {
      tally.rules = { ...standing(), dot: () => reached(resolve) }
    }),
  'when a delivery is being settled': ({ tally, chance }) =>
    new Promise((resolve) => {
      const after = chance() * 4
      tally.rules = { ...standing(), replied: () => void setTimeout(resolve, after) }
    }),
  'when a bounce is being written': ({ tally, chance }) =>
    new Promise((resolve) => {
      const { recipient } = standing()
      const after = chance() * 4
      tally.rules = {
        recipient(to) {
          const reply = recipient(to)
          if (reply?.startsWith('550') === true) setTimeout(resolve, after)
          return reply
        },
      }
    }),
  'while it starts': async (world) => {
    await kill(world)
    world.relay.launch()
    await wait(world.chance() * 600)
  },
}

/** Sends content without its final dot; its number is its own in this world. */
async function beginLarge({ relay, kills }: World, bytes: number): Promise<Talk> {
  const talk = await openTalk(relay.port)
  const to = `RCPT TO:<large-${kills}@far.example>`
  for (const line of ['MAIL FROM:<app@near.example>', to, 'DATA']) await talk.say(line)
  talk.write(numbered(1_000_000 + kills, bytes))
  return talk
}

/** The next hop is silent from here on. */
function reached(resolve: () => void): Promise<void> {
  resolve()
  return new Promise(() => {})
}

describe('A relay that is killed', () => {
  afterAll(() => {
    console.log(`${sums.kills} kills, ${sums.accepted} accepted, ${sums.doubles} arrived twice`)
  })

  for (const [n, [name, point]] of Object.entries(POINTS).entries())
    test(`${name} loses nothing that it promised`, { timeout: 60_000 * ROUNDS }, async () => {
      await using world = await startWorld(3, SEED + n)
      for (let round = 0; round < ROUNDS; round++) {
        const before = world.load.accepted.size
        await until(
          () => world.load.accepted.size >= before + 30,
          () => world.relay.said(),
        )
        await point(world)
        await kill(world)
        world.tally.rules = standing()
        await world.relay.start()
      }
      await proveNothingLost(world)
    })

  test('at random moments under load loses nothing', { timeout: 600_000 }, async () => {
    await using world = await startWorld(8, SEED + 100)
    for (let n = 0; n < RANDOM_KILLS; n++) {
      await wait(50 + world.chance() * 700)
      await kill(world)
      await world.relay.start()
    }
    await proveNothingLost(world)
  })
})

async function proveNothingLost(world: World): Promise<void> {
  await settled(world)
  expect(missing(world.load, world.tally)).toEqual([])
  expect(await unended(world)).toEqual([])
  expect(world.load.refused).toEqual(new Map())
  const { count, unexcused } = doubles(world.tally)
  expect(unexcused).toEqual([])
  sums.kills += world.kills
  sums.accepted += world.load.accepted.size
  sums.doubles += count
}
