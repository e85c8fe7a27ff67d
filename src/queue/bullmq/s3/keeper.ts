// What is done in the bucket beside the work, about every second and by one process at a time: objects of
// messages that have ended go, and of those that go on it is noted which recipients have ended, so that a
// schedule that is made anew does not send to them again.

import { Repeat } from '../../../base/repeat.ts'
import type { MessageId } from '../../port/types.ts'
import type { StoreWorld } from '../content/content.ts'
import type { Bucket } from './bucket.ts'
import { contentOf, doneOf } from './object.ts'

const EVERY = 1000
/** The turn of a process that says nothing for so long goes to another. */
const TURN = 15_000
/** Messages of each kind in one round. */
const TOGETHER = 300
const NOTES = 16

/** Of a message of which a part has ended: a mark of what is known, then the fields of its record. */
type Partly = readonly [id: string, mark: string, rows: readonly string[]]

export class Keeper {
  #bucket: Bucket
  #world: StoreWorld
  #repeat: Repeat
  #trouble: string | undefined
  /** What was not accepted, until Redis knows. */
  #abandoned = new Set<MessageId>()

  constructor(bucket: Bucket, world: StoreWorld) {
    this.#bucket = bucket
    this.#world = world
    const round = async (): Promise<number | void> => ((await this.#round()) ? 0 : undefined)
    this.#repeat = new Repeat({ clock: world.clock, every: EVERY, round })
  }

  /** Its objects go, unless it was accepted after all. */
  abandon(id: MessageId): void {
    this.#abandoned.add(id)
  }

  stop(): Promise<void> {
    return this.#repeat.stop()
  }

  /** Whether there is more to do at once. */
  async #round(): Promise<boolean> {
    const { link, failed } = this.#world
    try {
      if (this.#bucket.trouble !== undefined) await this.#bucket.probe()
      const more = link.down === undefined && (await this.#keep())
      this.#tell()
      return more
    } catch (error) {
      this.#tell()
      if (this.#bucket.trouble === undefined && !this.#repeat.stopped) failed(error)
      return false
    }
  }

  async #keep(): Promise<boolean> {
    for (const id of this.#abandoned) {
      await this.#call('abandon', { id })
      this.#abandoned.delete(id)
    }
    const [gone, partly] = await this.#owed()
    await this.#note(partly)
    await this.#bucket.remove(gone.flatMap((id) => [id, contentOf(id), doneOf(id)]))
    if (gone.length + partly.length === 0) return false
    const noted = partly.map(([id, mark]) => [id, mark])
    await this.#call('kept', { gone, noted })
    return Math.max(gone.length, partly.length) === TOGETHER
  }

  async #owed(): Promise<readonly [gone: MessageId[], partly: Partly[]]> {
    return (await this.#call('owed', { turn: TURN, count: TOGETHER })) as [MessageId[], Partly[]]
  }

  async #note(partly: readonly Partly[]): Promise<void> {
    const left = [...partly]
    const work = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [id, , rows] = next
        await this.#bucket.put(doneOf(id), Buffer.from(JSON.stringify(rows)))
      }
    }
    await Promise.all(Array.from({ length: NOTES }, work))
  }

  async #call(name: 'abandon' | 'owed' | 'kept', given: object): Promise<unknown> {
    const { link, caller } = this.#world
    return (await caller.call(link.work, name, given)).value
  }

  // Told when it changes, not at every request that fails.
  #tell(): void {
    const { trouble, at } = this.#bucket
    if ((trouble === undefined) === (this.#trouble === undefined)) return
    this.#trouble = trouble
    if (trouble === undefined) this.#world.note('info', `${at} is back`)
    else this.#world.note('error', 'No mail is taken until the object store is back', trouble)
  }
}
