// What the queue does beside its work, in small steps between commits: forgets old history,
// sweeps content that nobody owns, and goes on with holds that a crash has left half marked.

import type { Clock } from '../../../base/clock.ts'
import { Repeat } from '../../../base/repeat.ts'
import type { Report } from '../../../mail/event.ts'
import type { Batches } from './batch.ts'
import type { Content } from './content.ts'
import type { Disk } from './disk.ts'
import type { ReaderThread } from './threads.ts'
import type { Opened, PageDone } from '../schema/wire.ts'

const EVERY = 60_000
const FILES = 500

export interface ChoreOptions {
  readonly clock: Clock
  readonly historyAge: number
  readonly historySize: number
  readonly report?: Report
  readonly batches: Batches
  readonly content: Content
  readonly reader: ReaderThread
  readonly opened: Opened
  readonly disk: Disk
}

export class Chores {
  #options: ChoreOptions
  #repeat: Repeat

  constructor(options: ChoreOptions) {
    this.#options = options
    const round = (): Promise<void> => this.#run(() => this.#trim())
    this.#repeat = new Repeat({ clock: options.clock, every: EVERY, round })
    void this.#run(async () => {
      await this.#markAll(options.opened.unfinished)
      await this.#sweep()
    })
  }

  stop(): void {
    void this.#repeat.stop()
  }

  /** A chore that fails is told and tried again next time. */
  async #run(chore: () => Promise<void>): Promise<void> {
    try {
      await chore()
    } catch (error) {
      if (this.#repeat.stopped) return
      const cause = error instanceof Error ? error.message : String(error)
      const at = this.#options.clock.now()
      const text = 'A chore of the queue failed and is tried again'
      this.#options.report?.({ kind: 'note', at, level: 'warn', text, cause })
    }
  }

  async #trim(): Promise<void> {
    const { batches, clock, historyAge } = this.#options
    let more = true
    while (more && !this.#repeat.stopped)
      more = await batches.call(['trim', clock.now() - historyAge, false], Boolean)
    while (!this.#repeat.stopped && (await this.#isTooMuch()))
      for (let step = 0; step < 20; step++)
        if (!(await batches.call(['trim', 0, true], Boolean))) return
  }

  async #isTooMuch(): Promise<boolean> {
    const { reader, historySize, disk } = this.#options
    const { used, live } = await reader.sizes()
    return used - live > historySize || (await disk.isShort())
  }

  async #sweep(): Promise<void> {
    const { batches, content } = this.#options
    const names = await content.strays()
    for (let at = 0; at < names.length && !this.#repeat.stopped; at += FILES) {
      const page = names.slice(at, at + FILES)
      const orphans = await batches.call(['known', page], (value) => value as string[])
      for (const orphan of orphans) await content.remove(orphan)
    }
  }

  async #markAll(scopes: readonly string[]): Promise<void> {
    const { batches } = this.#options
    const by = { who: 'waypost', why: 'the hold was lifted before' }
    for (const scope of scopes) {
      let cursor: string | null = null
      do cursor = (await batches.call(['mark', scope, cursor], readPage)).cursor
      while (cursor !== null && !this.#repeat.stopped)
      do cursor = (await batches.call(['unmark', scope, by], readPage)).cursor
      while (cursor !== null && !this.#repeat.stopped)
    }
  }
}

function readPage(value: unknown): PageDone {
  return value as PageDone
}
