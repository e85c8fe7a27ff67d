// Acts of operators: what a filter finds is acted on page by page, each page in one step. Holds that
// stand are placed first, and then lie on what was queued before.

import type { Redis } from 'ioredis'

import { LIVE } from '../../fits.ts'
import { formatScope, Tally } from '../../holds.ts'
import { isEnd } from '../../../mail/outcome.ts'
import type { Steered } from '../../port/control.ts'
import type { Entry, Filter, StandingHold } from '../../port/reader.ts'
import type { Act, OperatorAct } from '../../port/types.ts'
import type { Answer, Caller } from '../calls/caller.ts'
import type { Reading } from '../read/reading.ts'
import type { FunctionName } from '../link/library.ts'

const PAGE = 250

export interface SteeringOptions {
  readonly redis: Redis
  readonly caller: Caller
  readonly reading: Reading
  /** What a script tells beside its answer. */
  readonly heard: (answer: Answer) => void
  readonly now: () => number
}

export class Steering {
  #options: SteeringOptions

  constructor(options: SteeringOptions) {
    this.#options = options
  }

  async steer(act: Act, filter: Filter, { who, why }: OperatorAct): Promise<Steered> {
    // What has ended stays as it ended.
    const states = (filter.states ?? LIVE).filter((state) => !isEnd(state))
    return this.#pages({ ...filter, states }, 'act', (entries) => ({
      act,
      who,
      why,
      on: byDelivery(entries),
    }))
  }

  async hold(scope: StandingHold['scope'], { who, why }: OperatorAct): Promise<Steered> {
    const name = formatScope(scope)
    await this.#call('hold', { scope: name, who, why, at: this.#options.now() })
    return this.mark(scope)
  }

  async unhold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    await this.#call('hold', { scope: formatScope(scope), lift: true })
    return this.unmark(formatScope(scope), by)
  }

  /** What was queued before the hold was placed is held. */
  mark(scope: StandingHold['scope']): Promise<Steered> {
    const filter: Filter =
      scope.kind === 'all'
        ? {}
        : scope.kind === 'queue'
          ? { queue: scope.name }
          : { destination: scope.name }
    const states = ['waiting', 'sending'] as const
    return this.#pages({ ...filter, states }, 'mark', (entries) => ({
      scope: formatScope(scope),
      on: byDelivery(entries),
    }))
  }

  /** What a lifted hold had held is freed. */
  async unmark(scope: string, { who, why }: OperatorAct): Promise<Steered> {
    const tally = new Tally()
    for (;;) {
      const answer = await this.#call('unmark', { scope, who, why, count: PAGE })
      const [free, looked, kept] = answer.value as [number, number, Kept]
      tally.add(free, 0, pairs(kept))
      if (looked === 0) return tally.steered
    }
  }

  async #pages(
    filter: Filter,
    name: FunctionName,
    given: (entries: readonly Entry[]) => object,
  ): Promise<Steered> {
    const tally = new Tally()
    let cursor: string | undefined
    do {
      const wish = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }
      const page = await this.#options.reading.find(filter, wish)
      if (page.entries.length > 0) {
        const answer = await this.#call(name, given(page.entries))
        const [done, later, kept = []] = answer.value as [number, number, Kept?]
        tally.add(done, later, pairs(kept))
      }
      cursor = page.cursor
    } while (cursor !== undefined)
    return tally.steered
  }

  async #call(name: FunctionName, given: object): Promise<Answer> {
    const { caller, redis, heard } = this.#options
    const answer = await caller.call(redis, name, given)
    heard(answer)
    return answer
  }
}

type Kept = readonly (string | number)[]

function* pairs(kept: Kept): Generator<readonly [scope: string, count: number]> {
  for (let at = 0; at < kept.length; at += 2) yield [String(kept[at]), Number(kept[at + 1])]
}

function byDelivery(entries: readonly Entry[]): { id: string; n: number; r: number[] }[] {
  const groups = new Map<string, { id: string; n: number; r: number[] }>()
  for (const { id, delivery, n } of entries) {
    const number = Number(delivery.slice(delivery.lastIndexOf('-') + 1))
    const group = groups.get(delivery) ?? { id, n: number, r: [] }
    group.r.push(n)
    groups.set(delivery, group)
  }
  return [...groups.values()]
}
