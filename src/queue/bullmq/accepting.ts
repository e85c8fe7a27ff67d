// Acceptance: one transaction a message, with a reply only when it is as durable as was promised. Where that
// has to be waited for, all that arrived meanwhile shares the wait. What could not be confirmed is taken
// back, because its client will send it again.

import type { IRedisTransaction } from 'bullmq'

import { QueueError } from '../port.ts'
import { execute } from './caller.ts'
import { queueError } from './link.ts'
import type { Link } from './link.ts'

/** One message's transaction. */
export interface Acceptance {
  fill(): IRedisTransaction
  /** Takes it back, unless somebody has begun with it. */
  withdraw(): Promise<void>
}

interface Waiting {
  readonly acceptance: Acceptance
  readonly resolve: (replies: readonly unknown[]) => void
  readonly reject: (error: QueueError) => void
}

/** No batch is larger: the next one waits for it. */
const TOGETHER = 500
/** For the disk or the replicas. */
const PATIENCE = 5000

export class Accepting {
  #link: Link
  #committed: (milliseconds: number, operations: number) => void
  #waiting: Waiting[] = []
  #running = false
  /** What may have been written without our knowing. */
  #doubtful: Acceptance[] = []

  constructor(link: Link, committed: (milliseconds: number, operations: number) => void) {
    this.#link = link
    this.#committed = committed
  }

  /** Resolves with the replies when it is durable; rejects with a `QueueError`. */
  async accept(acceptance: Acceptance): Promise<readonly unknown[]> {
    this.#link.check()
    if (this.#link.durability.wait.kind !== 'nothing') return this.#inBatch(acceptance)
    const started = performance.now()
    const replies = await this.#write(acceptance)
    this.#committed(performance.now() - started, 1)
    return replies
  }

  /** Redis is back: what was told to nobody goes. */
  async withdrawDoubtful(): Promise<void> {
    const doubtful = this.#doubtful.splice(0)
    for (const acceptance of doubtful) await acceptance.withdraw()
  }

  async #write(acceptance: Acceptance): Promise<readonly unknown[]> {
    try {
      return await execute(this.#link, this.#link.accepting, () => acceptance.fill())
    } catch (error) {
      await this.#takeBack(acceptance)
      throw error
    }
  }

  #inBatch(acceptance: Acceptance): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ acceptance, resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.length > 0) await this.#batch(this.#waiting.splice(0, TOGETHER))
    this.#running = false
  }

  async #batch(batch: readonly Waiting[]): Promise<void> {
    const started = performance.now()
    const writes = batch.map(({ acceptance }) => this.#write(acceptance))
    const synced = this.#wait().then(
      () => undefined,
      (error: unknown) => queueError(error),
    )
    const written = await Promise.allSettled(writes)
    const trouble = await synced
    this.#committed(performance.now() - started, batch.length)
    for (const [index, { acceptance, resolve, reject }] of batch.entries()) {
      const its = written[index]!
      if (its.status === 'rejected') reject(queueError(its.reason))
      else if (trouble === undefined) resolve(its.value)
      else void this.#takeBack(acceptance).then(() => reject(trouble))
    }
  }

  // Sent behind the transactions on their own connection: it speaks of what was written there.
  async #wait(): Promise<void> {
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
