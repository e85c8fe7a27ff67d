// Two workers that share a queue in Redis: both draw from one lane, and together they keep to the
// limits of a site, whatever becomes of either.

import { expect, test } from 'vitest'
import { often } from '../peers/chance.ts'
import { startProcess, until, type RelayProcess } from '../peers/process.ts'
import { startRedis } from '../peers/redis.ts'
import { startLoad } from '../peers/smtp-load.ts'
import { startTally, type Call, type Tally } from '../peers/tally.ts'

const MAILS = often(10_000)

interface Pair extends AsyncDisposable {
  readonly listener: RelayProcess
  readonly workers: readonly [RelayProcess, RelayProcess]
  readonly tally: Tally
  /** The most connections that were open at the sink at once. */
  most(): number
}

async function startPair(connections: number): Promise<Pair> {
  await using parts = new AsyncDisposableStack()
  const redis = parts.use(await startRedis())
  let most = 0
  const connected = (): void => {
    most = Math.max(most, tally.calls.filter(isOpen).length)
  }
  const tally: Tally = parts.use(await startTally({ connected }))
  const start = async (name: string, roles: string): Promise<RelayProcess> =>
    parts.use(
      await startProcess({
        hop: tally.port,
        files: {
          'policies/shaping.yaml': `- { default: true, connections: ${connections} }\n`,
        },
        environment: { WAYPOST_REDIS: redis.url, WAYPOST_NAME: name, WAYPOST_ROLES: roles },
      }),
    )
  const listener = await start('in', 'listen')
  const workers = [
    await start('out-1', 'deliver,admin'),
    await start('out-2', 'deliver,admin'),
  ] as const
  const owned = parts.move()
  const dispose = (): Promise<void> => owned.disposeAsync()
  return { listener, workers, tally, most: () => most, [Symbol.asyncDispose]: dispose }
}

/** Whoever was told 221 is gone, whenever its socket is. */
function isOpen({ closed, quit }: Call): boolean {
  return !closed && !quit
}

const letter = (number: number): { to: string[]; bytes: number } => ({
  to: [`ok-${number}@far.example`],
  bytes: 1000,
})

function deliveredBy(relay: RelayProcess): number {
  return relay.log().filter(({ event }) => event === 'delivered').length
}

test(
  'both draw from the one lane of a smart host, up to its limit',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair(6)
    const { listener, workers, tally } = pair
    const load = startLoad(listener.port, 4, letter)
    await until(() => workers.every((worker) => deliveredBy(worker) > 100), 'work for both', 30_000)
    await load.stop()
    await until(() => tally.mails.length >= load.accepted.size, 'all to arrive')
    expect(pair.most()).toBeLessThanOrEqual(6)
    expect(pair.most()).toBeGreaterThan(1)
  },
)

test(
  'with a limit of 3 never more connections are open, though one of them is killed',
  { timeout: 120_000 },
  async () => {
    await using pair = await startPair(3)
    const { listener, workers, tally } = pair
    const load = startLoad(listener.port, 8, letter)
    await until(() => load.accepted.size >= 0.3 * MAILS, 'mail', 60_000)
    await workers[0].kill()
    await until(() => load.accepted.size >= 0.6 * MAILS, 'mail', 60_000)
    await workers[0].start()
    await until(() => load.accepted.size >= MAILS, 'mail', 60_000)
    await load.stop()
    const arrived = (): number => new Set(tally.mails.map(({ number }) => number)).size
    await until(() => arrived() >= load.accepted.size, 'all to arrive', 60_000)
    expect(pair.most()).toBe(3)
  },
)
