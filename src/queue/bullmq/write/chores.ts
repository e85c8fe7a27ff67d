// What is done beside the work, by whichever process has its turn: leases and processes that are gone,
// lanes that lost their place or are empty, jobs that were lost, content that nobody owns, holds that
// a crash has left half marked, and history that is too old or too large.

import type { Clock } from '../../../base/clock.ts'
import { Repeat } from '../../../base/repeat.ts'
import { formatAddress } from '../../../mail/address.ts'
import { parseScope } from '../../holds.ts'
import { formatId, numberAt, parseId, timeOf } from '../../ids.ts'
import type { MessageId } from '../../port/types.ts'
import type { Answer, Caller } from '../calls/caller.ts'
import type { ContentStore } from '../content/content.ts'
import type { Link } from '../link/link.ts'
import { isGone } from '../calls/process.ts'
import type { Said } from '../calls/process.ts'
import { senderOf } from '../calls/rows.ts'
import type { MessageRow, RecipientRow } from '../calls/rows.ts'
import type { Steering } from './steering.ts'
import type { Watch } from '../link/watch.ts'

export interface ChoreOptions {
  readonly link: Link
  readonly caller: Caller
  readonly clock: Clock
  readonly store: ContentStore
  readonly steering: Steering
  readonly watch: Watch
  /** Of a lease, in milliseconds. */
  readonly length: number
  readonly historyAge: number
  readonly historySize: number
  readonly heard: (answer: Answer) => void
  readonly failed: (error: unknown) => void
}

const EVERY = 10_000
/** Lanes, or messages, looked at in one step. */
const STEP = 200
/** Messages of the history that one step forgets. */
const FORGOTTEN = 100
/** And so many such steps a round. */
const STEPS = 200
/** About what a message costs that has ended, with its places in the indexes; measured. */
const ENDED_BYTES = 1900

export class Chores {
  #options: ChoreOptions
  #repeat: Repeat
  #lanes = '0'
  #mended = ''
  #trimmed = ''
  #rounds = 0
  /** Scopes that had no hold and still held something, in the round before. */
  #lifted: ReadonlySet<string> = new Set()
  #startedAt: number

  constructor(options: ChoreOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
    const round = (): Promise<void> => this.#round()
    this.#repeat = new Repeat({ clock: options.clock, every: EVERY, first: 0, round })
  }

  stop(): Promise<void> {
    return this.#repeat.stop()
  }

  async #round(): Promise<void> {
    const { link, failed } = this.#options
    if (link.down !== undefined) return
    try {
      if (!(await this.#bury())) return
      await this.#placeLanes()
      await this.#mend()
      await this.#sweepContent()
      await this.#finishHolds()
      await this.#trim()
      this.#rounds++
    } catch (error) {
      if (!this.#repeat.stopped && link.down === undefined) failed(error)
    }
  }

  /** Whether it is our turn: several processes share what is to be done only once. */
  async #bury(): Promise<boolean> {
    const { link, caller, length } = this.#options
    const said = Object.entries(await link.work.hgetall(`${caller.prefix}/processes`))
    const gone = said.filter(([, text]) => isGone(JSON.parse(text) as Said)).map(([id]) => id)
    const { value } = await this.#call('bury', { length, gone, chores: EVERY - 1000 })
    return value === 1
  }

  async #placeLanes(): Promise<void> {
    const { link, caller } = this.#options
    const [next, lanes] = await link.work.sscan(
      `${caller.prefix}/lanes`,
      this.#lanes,
      'COUNT',
      STEP,
    )
    this.#lanes = next
    if (lanes.length > 0) await this.#call('place', { lanes })
  }

  /** A record without its job would wait for ever: one page of what is queued is looked at. */
  async #mend(): Promise<void> {
    const { link, caller } = this.#options
    const from = this.#mended === '' ? '-' : `(${this.#mended}`
    const live = `${caller.prefix}/live`
    const ids = await link.work.zrangebylex(live, from, '+', 'LIMIT', 0, STEP)
    this.#mended = ids.length < STEP ? '' : ids.at(-1)!
    if (ids.length > 0) await this.#call('mend', { ids })
  }

  /** What was being stored by a process that is no more. */
  async #sweepContent(): Promise<void> {
    const { link, caller, store } = this.#options
    const storing = Object.entries(await link.work.hgetall(`${caller.prefix}/storing`))
    for (const [id, process] of storing) {
      if (process === caller.me) continue
      const alive = await link.work.zscore(`${caller.prefix}/alive`, process)
      if (alive !== null) continue
      const { value } = await this.#call('disown', { id, process })
      if (value === 1) await store.remove(id as MessageId)
    }
  }

  async #finishHolds(): Promise<void> {
    const { link, caller, steering } = this.#options
    const [scopes, holds] = await Promise.all([
      link.work.smembers(`${caller.prefix}/scopes`),
      link.work.hgetall(`${caller.prefix}/holds`),
    ])
    const by = { who: 'waypost', why: 'the hold was lifted before' }
    const lifted = new Set<string>()
    for (const scope of scopes) {
      if (scope === 'ids') continue
      const hold = holds[scope]
      // Whoever lifts one now frees what it held, in his own name.
      if (hold === undefined) {
        lifted.add(scope)
        if (this.#lifted.has(scope)) await steering.unmark(scope, by)
      }
      // Whoever places one now lays it on what is queued, and tells how much that was.
      else if (this.#rounds === 0 && placedAt(hold) < this.#startedAt)
        await steering.mark(parseScope(scope))
    }
    this.#lifted = lifted
  }

  async #trim(): Promise<void> {
    const { clock, historyAge } = this.#options
    const before = clock.now() - historyAge
    for (let step = 0; step < STEPS && !this.#repeat.stopped; step++)
      if (!(await this.#forgetOld(before))) break
    await this.#call('forget_changes', { age: historyAge })
    await this.#trimExcess()
    for (let step = 0; step < STEPS && !this.#repeat.stopped; step++)
      if ((await this.#call('free_keys', {})).value === 0) break
  }

  async #trimExcess(): Promise<void> {
    const excess = await this.#excess()
    for (let over = excess; over > 0 && !this.#repeat.stopped; over -= FORGOTTEN)
      if ((await this.#forget(await this.#oldest('-'))) < FORGOTTEN) break
    if (excess <= 0) return
    // The order over all facts reaches as far back as what has ended.
    const [oldest] = await this.#oldest('-')
    const number = oldest === undefined ? undefined : parseId(oldest.slice(0, 11))
    const before = number === undefined ? this.#options.clock.now() : timeOf(number)
    await this.#call('forget_changes', { before })
  }

  /** One page of those accepted before then, of which some may have ended later; whether there is more. */
  async #forgetOld(before: number): Promise<boolean> {
    const ids = await this.#oldest(this.#trimmed === '' ? '-' : `(${this.#trimmed}`, before)
    this.#trimmed = ids.length < FORGOTTEN ? '' : ids.at(-1)!
    await this.#forget(ids, before)
    return ids.length === FORGOTTEN
  }

  #oldest(from: string, acceptedBefore?: number): Promise<string[]> {
    const { link, caller } = this.#options
    const to = acceptedBefore === undefined ? '+' : `(${formatId(numberAt(acceptedBefore))}`
    return link.work.zrangebylex(`${caller.prefix}/done`, from, to, 'LIMIT', 0, FORGOTTEN)
  }

  /** Messages by which the history is too large, for its own limit or for the server's memory. */
  async #excess(): Promise<number> {
    const { link, caller, historySize, watch } = this.#options
    const ended = await link.work.zcard(`${caller.prefix}/done`)
    const bytes = Math.max(ended * ENDED_BYTES - historySize, watch.historyExcess)
    return Math.min(ended, Math.ceil(bytes / ENDED_BYTES))
  }

  /** Forgets those of them that ended before then; answers how many. */
  async #forget(ids: readonly string[], before = Infinity): Promise<number> {
    if (ids.length === 0) return 0
    const { link, caller } = this.#options
    const { prefix } = caller
    const reading = link.work.pipeline()
    for (const id of ids) reading.hgetall(`${prefix}/m/${id}`)
    const replies = (await reading.exec())!
    const writing = link.work.pipeline()
    let forgotten = 0
    for (const [index, id] of ids.entries()) {
      const fields = replies[index]![1] as Record<string, string>
      if (endOf(fields) >= before) continue
      forgotten++
      if (fields['m'] !== undefined) {
        const { env } = JSON.parse(fields['m']) as MessageRow
        for (const { address } of env.recipients)
          writing.zrem(`${prefix}/to`, `${formatAddress(address)}\0${id}`)
        writing.zrem(`${prefix}/from`, `${senderOf(env)}\0${id}`)
      }
      if (fields['alias'] !== undefined) writing.unlink(`${prefix}/alias/${fields['alias']}`)
      writing.unlink(`${prefix}/m/${id}`)
      // Last: what an interruption leaves is found again by it.
      writing.zrem(`${prefix}/done`, id)
    }
    if (forgotten > 0) await writing.exec()
    return forgotten
  }

  async #call(
    name: 'bury' | 'disown' | 'place' | 'mend' | 'forget_changes' | 'free_keys',
    given: object,
  ): Promise<Answer> {
    const { caller, link, heard } = this.#options
    const answer = await caller.call(link.work, name, given)
    heard(answer)
    return answer
  }
}

function placedAt(hold: string): number {
  return (JSON.parse(hold) as { readonly at: number }).at
}

/** When its last recipient came to its end. */
function endOf(fields: Readonly<Record<string, string>>): number {
  const rows = Object.entries(fields).filter(([name]) => /^r\d+$/.test(name))
  return Math.max(0, ...rows.map(([, text]) => (JSON.parse(text) as RecipientRow).at ?? 0))
}
