// The refusals of late, in memory, so that whoever's mail was refused can find out when and why. Bounded
// in count, in bytes (of each) and in time, and in what one client can have of it: strangers push out
// their own refusals first.

import type { RelayEvent, Report } from '../mail/event.ts'

export type Refused = Extract<RelayEvent, { kind: 'refused' }>

/** Refusals that are kept in all; at most about 3 MB. */
const MOST = 2000
/** And of one client. */
const OF_CLIENT = 50
/** Milliseconds: a day. */
export const REMEMBERED_MS = 24 * 3_600_000
/** Characters of a command, which has an address in it, and of a reply. */
const LONGEST = 400

export class RefusedMail {
  /** Called when there is one more. */
  onChange: (() => void) | undefined
  /** Each with its place, which a later one takes when it is forgotten. */
  #all = new Map<Refused, number>()
  #free: number[] = []
  /** Those that nobody has written yet. */
  #changed = new Set<Refused>()
  #ofClient = new Map<string, Refused[]>()

  readonly report: Report = (event) => {
    if (event.kind !== 'refused') return
    const mine = this.#ofClient.get(event.client) ?? []
    this.#ofClient.set(event.client, mine)
    if (mine.length === OF_CLIENT) this.#drop(mine.shift()!)
    const { command, reply } = event
    const kept = { ...event, command: command.slice(0, LONGEST), reply: reply.slice(0, LONGEST) }
    mine.push(kept)
    this.#all.set(kept, this.#free.pop() ?? this.#all.size)
    this.#forget(event.at)
    if (this.onChange === undefined) return
    this.#changed.add(kept)
    this.onChange()
  }

  /** Some of those that nobody has written yet, the oldest first, with their places. */
  changed(count: number): (readonly [place: number, refused: Refused])[] {
    const some = [...this.#changed].slice(0, count)
    return some.map((refused) => [this.#all.get(refused)!, refused])
  }

  wrote(written: readonly (readonly [place: number, refused: Refused])[]): void {
    for (const [, refused] of written) this.#changed.delete(refused)
  }

  /** The newest first. Case matters in no part of the address. */
  find(address: string): Refused[] {
    const sought = address.toLowerCase()
    return [...this.#all.keys()].filter((each) => isOf(each, sought)).reverse()
  }

  #drop(refused: Refused): void {
    this.#free.push(this.#all.get(refused)!)
    this.#all.delete(refused)
    this.#changed.delete(refused)
  }

  #forget(now: number): void {
    for (const oldest of this.#all.keys()) {
      if (this.#all.size <= MOST && now - oldest.at < REMEMBERED_MS) return
      this.#drop(oldest)
      const mine = this.#ofClient.get(oldest.client)!
      mine.shift()
      if (mine.length === 0) this.#ofClient.delete(oldest.client)
    }
  }
}

/** Whether it names the address, which is in lower case. */
export function isOf({ command, from, to = [] }: Refused, sought: string): boolean {
  const named = /<([^>]*)>/.exec(command)?.[1]
  return [named, from, ...to].some((address) => address?.toLowerCase() === sought)
}
