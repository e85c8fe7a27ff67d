// A relay that will be killed, a next hop that outlives it, clients that keep it busy, and the
// ledger of what was promised and what came of it.
//
// The local part of a recipient says what the next hop does with it: `ok-…` is taken, `defer-…`
// is put off once, `reject-…` is refused and so has to come back as a notice.

import { chance, type Chance } from '../peers/chance.ts'
import { startLoad, type Letter, type Load } from '../peers/smtp-load.ts'
import { startProcess, until, type RelayProcess } from '../peers/process.ts'
import { startTally, type Tallied, type Tally } from '../peers/tally.ts'

export interface World extends AsyncDisposable {
  readonly relay: RelayProcess
  readonly tally: Tally
  readonly load: Load
  readonly chance: Chance
  kills: number
}

/** Starts all of it; `sessions` clients send from the first moment. */
export async function startWorld(sessions: number, seed: number): Promise<World> {
  const parts = new AsyncDisposableStack()
  try {
    const tally = parts.use(await startTally())
    tally.rules = standing()
    const relay = parts.use(await startProcess({ hop: tally.port }))
    const load = startLoad(relay.port, sessions, letterOf)
    parts.defer(() => load.stop())
    const dispose = (): Promise<void> => parts.disposeAsync()
    return { relay, tally, load, chance: chance(seed), kills: 0, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await parts.disposeAsync()
    throw error
  }
}

/** Every kind of mail that leaves traces of its own in the queue. */
export function letterOf(number: number): Letter {
  const far = (kind: string): string => `${kind}-${number}@far.example`
  if (number % 10 === 1) return { to: [far('defer')], bytes: 2000 }
  if (number % 10 === 2) return { to: [far('reject')], bytes: 2000 }
  if (number % 10 === 3) return { to: [far('ok'), far('reject')], bytes: 2000 }
  // Above the size from which content is stored apart from the commit.
  if (number % 40 === 4) return { to: [far('ok')], bytes: 400_000 }
  return { to: [far('ok')], bytes: 2000 }
}

/** What the next hop does with recipients, without anything else. */
export function standing(): { recipient: (to: string) => string | undefined } {
  const seen = new Set<string>()
  return {
    recipient(to) {
      if (to.startsWith('reject-')) return '550 5.1.1 No such person'
      if (!to.startsWith('defer-') || seen.has(to)) return undefined
      seen.add(to)
      return '451 4.2.0 Not now'
    },
  }
}

export async function kill(world: World): Promise<void> {
  world.kills++
  await world.relay.kill()
}

/** All that was promised is looked through so often, in milliseconds. */
const LOOK = 200

/** Waits until all that was promised has come to its end, then says what should not be. */
export async function settled(world: Pick<World, 'load' | 'tally' | 'relay'>): Promise<void> {
  const { load, tally, relay } = world
  await load.stop()
  const open = (): string[] => missing(load, tally)
  const patience = 30_000 + load.accepted.size * 10
  await until(
    () => open().length === 0,
    () => `the end of ${show(open())}`,
    patience,
    LOOK,
  ).catch(async (error: Error) => {
    const ids = open().map((key) => load.accepted.get(Number(key.split(' ')[0])) ?? '')
    throw new Error(`${error.message}\nthe queue says: ${await inQueue(relay, ids)}`)
  })
  await relay.emptied(patience).catch(async (error: Error) => {
    throw new Error(`${error.message}\nthe queue has ${show(await waiting(relay))}`)
  })
}

/** Recipients that were promised and of which nothing was heard: "number recipient". */
export function missing(load: Load, tally: Tally): string[] {
  const heard = new Set(tally.mails.flatMap(keysOf))
  return [...load.accepted.keys()].flatMap((number) =>
    letterOf(number)
      .to.map((to) => `${number} ${to.startsWith('reject-') ? 'notice' : to}`)
      .filter((key) => !heard.has(key)),
  )
}

/** Recipients that were promised and for which the queue has no end on record. */
export async function unended({ relay, load }: Pick<World, 'relay' | 'load'>): Promise<string[]> {
  const entries = await relay.entries('--all', '--state', 'delivered', '--state', 'bounced')
  const ends = new Map(entries.map(({ id, to, state }) => [`${id} ${to}`, state]))
  return [...load.accepted].flatMap(([number, id]) =>
    letterOf(number)
      .to.map((to) => [`${id} ${to}`, to.startsWith('reject-') ? 'bounced' : 'delivered'] as const)
      .filter(([key, end]) => ends.get(key) !== end)
      .map(([key]) => key),
  )
}

export interface Doubles {
  /** How often something arrived that had arrived already. */
  readonly count: number
  /** Those of which the earlier copy cannot have been cut off by a kill. */
  readonly unexcused: readonly string[]
}

/** A connection goes on while so many of its deliveries are being settled (`delivery/draw/lane.ts`). */
const UNSETTLED = 3

/**
 * A second copy is excused only when the relay died between the first one's final dot and its
 * settling: then that was among the last transactions of a connection that was cut.
 */
export function doubles(tally: Tally, isExcused = wasCutOff): Doubles {
  const before = new Map<string, Tallied>()
  const unexcused: string[] = []
  let count = 0
  for (const mail of tally.mails)
    for (const key of keysOf(mail)) {
      const earlier = before.get(key)
      before.set(key, mail)
      if (earlier === undefined) continue
      count++
      if (!isExcused(earlier)) unexcused.push(key)
    }
  return { count, unexcused }
}

export function wasCutOff(mail: Tallied): boolean {
  const { call } = mail
  return !call.quit && call.closed && call.mails.slice(-UNSETTLED).includes(mail)
}

function keysOf(mail: Tallied): string[] {
  if (mail.number === undefined) return []
  return mail.notice ? [`${mail.number} notice`] : mail.to.map((to) => `${mail.number} ${to}`)
}

export async function waiting(relay: RelayProcess): Promise<string[]> {
  const entries = await relay.entries()
  const open = entries.filter(({ state }) => ['waiting', 'sending', 'held'].includes(state))
  return open.map(({ id, to, state, reply }) => `${id} ${to} ${state} ${reply ?? ''}`)
}

async function inQueue(relay: RelayProcess, ids: readonly string[]): Promise<string> {
  const traces = ids.slice(0, 3).map((id) => relay.waypost('trace', id))
  return (await Promise.all(traces)).map(({ out, err }) => out + err).join('\n')
}

function show(list: readonly string[]): string {
  return `${list.length} (${list.slice(0, 10).join(', ')})`
}
