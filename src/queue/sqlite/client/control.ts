// What operators do, page by page, and what is said of the engine.

import { hostname } from 'node:os'

import type { Clock } from '../../../base/clock.ts'
import { formatSize } from '../../../base/units.ts'
import type { Report } from '../../../mail/event.ts'
import { steeredEvent } from '../../events.ts'
import { describeFilter } from '../../fits.ts'
import { formatScope, Tally } from '../../holds.ts'
import type { About, EngineStatus, ProcessEntry, Steered } from '../../port/control.ts'
import type { Filter, StandingHold } from '../../port/reader.ts'
import type { Act, OperatorAct } from '../../port/types.ts'
import type { PageDone } from '../schema/wire.ts'
import type { Batches } from './batch.ts'
import type { Disk } from './disk.ts'

export interface ControlOptions {
  readonly folder: string
  readonly clock: Clock
  readonly report: Report
  readonly about: (() => About) | undefined
  readonly batches: Batches
  readonly disk: Disk
  /** How many there are. */
  readonly leases: () => number
}

const nothing = (): void => {}
const NOBODY: About = { name: '', hostname: '', roles: [], sources: [], listeners: [] }

export class SqliteControl {
  #options: ControlOptions
  #startedAt: number
  #keepers = 0

  constructor(options: ControlOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
  }

  async steer(act: Act, filter: Filter, by: OperatorAct): Promise<Steered> {
    const steered = await this.#pages((cursor) => ['steer', act, filter, by, cursor])
    return this.#steered(act, describeFilter(filter), steered, by)
  }

  async hold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    const name = formatScope(scope)
    await this.#options.batches.call(['hold', name, by], nothing)
    const steered = await this.#pages((cursor) => ['mark', name, cursor])
    return this.#steered('hold', name, steered, by)
  }

  async unhold(scope: StandingHold['scope'], by: OperatorAct): Promise<Steered> {
    const name = formatScope(scope)
    await this.#options.batches.call(['unhold', name], nothing)
    const steered = await this.#pages(() => ['unmark', name, by])
    return this.#steered('release', name, steered, by)
  }

  async keepContent(): Promise<AsyncDisposable> {
    this.#keepers++
    await this.#options.batches.call(['keep', true], nothing)
    let kept = true
    return {
      [Symbol.asyncDispose]: async () => {
        if (!kept) return
        kept = false
        if (--this.#keepers === 0) await this.#options.batches.call(['keep', false], nothing)
      },
    }
  }

  async engine(): Promise<EngineStatus> {
    const { disk, folder } = this.#options
    await disk.known()
    return {
      engine: 'sqlite',
      at: folder,
      durability: 'every message is synced to disk before its 250',
      isRelaxed: false,
      disk: { free: disk.free, reserve: disk.reserve },
      ...(!disk.isFull ? {} : { trouble: under(disk) }),
    }
  }

  async processes(): Promise<ProcessEntry[]> {
    const { about, clock } = this.#options
    const mine = {
      id: 'this',
      host: hostname(),
      pid: process.pid,
      leases: this.#options.leases(),
      isDead: false,
    }
    return [{ ...(about?.() ?? NOBODY), ...mine, startedAt: this.#startedAt, seenAt: clock.now() }]
  }

  #steered(act: Act, what: string, steered: Steered, by: OperatorAct): Steered {
    this.#options.report(steeredEvent(this.#options.clock.now(), act, what, steered, by))
    return steered
  }

  async #pages(
    operation: (cursor: string | null) => Parameters<Batches['call']>[0],
  ): Promise<Steered> {
    const tally = new Tally()
    let cursor: string | null = null
    do {
      const page: PageDone = await this.#options.batches.call(operation(cursor), readPage)
      tally.add(page.count, page.busy, page.kept)
      cursor = page.cursor
    } while (cursor !== null)
    return tally.steered
  }
}

function readPage(value: unknown): PageDone {
  return value as PageDone
}

export function under(disk: Disk): string {
  return `Free space is under WAYPOST_DISK_RESERVE: no mail is taken; ${figures(disk)}`
}

export function figures({ free, reserve }: Disk): string {
  return `${formatSize(Math.max(0, free))} free, and ${formatSize(reserve)} should be`
}
