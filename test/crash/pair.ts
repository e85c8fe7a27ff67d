// Two relays that share a Redis, a client that keeps each of them busy, and one next hop for all.

import { expect } from 'vitest'
import { chance, type Chance } from '../peers/chance.ts'
import { startProcess, until, type RelayProcess } from '../peers/process.ts'
import { startLoad, type Load } from '../peers/smtp-load.ts'
import { startTally, type Tallied, type Tally } from '../peers/tally.ts'
import {
  doubles,
  letterOf,
  missing,
  settled,
  standing,
  unended,
  waiting,
  wasCutOff,
} from './world.ts'

/** Numbers of the second relay's clients begin here. */
const SECOND = 1_000_000
/** Between two messages of a client, in milliseconds: all is held against a ledger in the end. */
const PAUSE = 10

export interface Pair extends AsyncDisposable {
  readonly relays: readonly [RelayProcess, RelayProcess]
  readonly loads: readonly [Load, Load]
  readonly tally: Tally
  readonly chance: Chance
  /** When outcomes may have died with the relay that had them. */
  readonly blind: Blind[]
}

/** Times, in milliseconds of `performance.now`. */
export interface Blind {
  readonly from: number
  readonly to: number
}

/** Starts all of it on the Redis that the settings name. */
export async function startPair(
  settings: Readonly<Record<string, string>>,
  seed: number,
): Promise<Pair> {
  await using parts = new AsyncDisposableStack()
  const tally = parts.use(await startTally())
  tally.rules = standing()
  const start = async (name: string): Promise<RelayProcess> =>
    parts.use(
      await startProcess({
        hop: tally.port,
        environment: { ...settings, WAYPOST_NAME: name },
      }),
    )
  const relays = [await start('one'), await start('two')] as const
  const loads = [
    startLoad(relays[0].port, 2, letterOf, 1, PAUSE),
    startLoad(relays[1].port, 2, letterOf, SECOND, PAUSE),
  ] as const
  for (const load of loads) parts.defer(() => load.stop())
  const owned = parts.move()
  const dispose = (): Promise<void> => owned.disposeAsync()
  return {
    relays,
    loads,
    tally,
    chance: chance(seed),
    blind: [],
    [Symbol.asyncDispose]: dispose,
  }
}

export async function moreDelivered({ tally, relays }: Pair, count: number): Promise<void> {
  const before = tally.mails.length
  await until(
    () => tally.mails.length >= before + count,
    () => relays.map((relay) => relay.said()).join('\n'),
    60_000,
  )
}

export async function proveNothingLost({ loads, tally, relays, blind }: Pair): Promise<void> {
  await Promise.all(loads.map((load) => load.stop()))
  for (const [n, load] of loads.entries()) await settled({ load, tally, relay: relays[n]! })
  for (const load of loads) {
    expect(missing(load, tally)).toEqual([])
    expect(await unended({ load, relay: relays[0] })).toEqual([])
    // While Redis is away, and nothing else.
    const refused = [...load.refused.values()].filter((reply) => !reply.startsWith('451 4.3.0 '))
    expect(refused).toEqual([])
  }
  expect(await waiting(relays[1])).toEqual([])
  const isExcused = (mail: Tallied): boolean =>
    wasCutOff(mail) || blind.some(({ from, to }) => mail.at >= from && mail.at <= to)
  const { unexcused } = doubles(tally, isExcused)
  expect(unexcused, await told(unexcused, loads, relays[0])).toEqual([])
}

/** What the queue says of the first of them. */
async function told(
  keys: readonly string[],
  loads: readonly Load[],
  relay: RelayProcess,
): Promise<string> {
  const [key] = keys
  if (key === undefined) return ''
  const number = Number(key.split(' ')[0])
  const id = loads.map(({ accepted }) => accepted.get(number)).find((each) => each !== undefined)
  return (await relay.waypost('trace', id ?? '')).out
}
