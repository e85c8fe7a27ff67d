// Acceptance: a reply only when a message is as durable as was promised. What could not be confirmed is
// taken back, because its client will send it again.

import { QueueError } from '../../port/types.ts'
import { Batches } from '../calls/batches.ts'
import type { BatchOptions, Step } from '../calls/batches.ts'
import type { Link } from '../link/link.ts'

export interface Acceptance {
  readonly step: Step
  /** Takes it back, unless somebody has begun with it. */
  readonly withdraw: () => Promise<void>
}

/** For the disk or the replicas, in milliseconds. */
const PATIENCE = 5000

export class Accepting {
  #link: Link
  #batches: Batches
  /** What may have been written without our knowing. */
  #doubtful: Acceptance[] = []

  constructor(options: Omit<BatchOptions, 'redis' | 'confirm'>) {
    const { link } = options
    this.#link = link
    const confirm = (): Promise<void> => this.#confirm()
    this.#batches = new Batches({ ...options, redis: link.accepting, confirm })
  }

  /** Resolves with the answers when it is durable; rejects with a `QueueError`. */
  async accept(acceptance: Acceptance): Promise<readonly unknown[]> {
    this.#link.check()
    try {
      return await this.#batches.call(acceptance.step)
    } catch (error) {
      await this.#takeBack(acceptance)
      throw error
    }
  }

  /** Redis is back: what was told to nobody goes. */
  async withdrawDoubtful(): Promise<void> {
    while (this.#doubtful.length > 0) {
      await this.#doubtful[0]!.withdraw()
      this.#doubtful.shift()
    }
  }

  // Sent behind the call on its own connection: it speaks of what was written there.
  async #confirm(): Promise<void> {
    const { accepting, durability } = this.#link
    const { wait } = durability
    if (wait.kind === 'nothing') return
    if (wait.kind === 'replicas') {
      const reached = await accepting.wait(wait.replicas, PATIENCE)
      if (reached < wait.replicas) throw tooFew('replicas', reached, wait.replicas)
      return
    }
    const words = [1, wait.replicas, PATIENCE]
    const [own = 0, reached = 0] = (await accepting.call('WAITAOF', ...words)) as number[]
    if (own < 1) throw new QueueError('failing', `Redis did not sync within ${PATIENCE} ms`)
    if (reached < wait.replicas) throw tooFew('synced replicas', reached, wait.replicas)
  }

  async #takeBack(acceptance: Acceptance): Promise<void> {
    try {
      this.#link.check()
      await acceptance.withdraw()
    } catch {
      this.#doubtful.push(acceptance)
    }
  }
}

function tooFew(what: string, reached: number, wanted: number): QueueError {
  return new QueueError('failing', `Only ${reached} of ${wanted} ${what} have the mail`)
}
