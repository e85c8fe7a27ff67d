// The refusals of late, in memory, so that whoever's mail was refused can find out when and why. Bounded
// in count, in bytes (of each) and in time, and in what one client can have of it: strangers push out
// their own refusals first.

import type { RelayEvent, Report } from '../mail/event.ts'

export type Refused = Extract<RelayEvent, { kind: 'refused' }>

/** Refusals that are kept in all; at most about 3 MB. */
const MOST = 2000
/** And of one client. */
const OF_CLIENT = 50
const AGE = 24 * 3_600_000
/** Characters of a command, which has an address in it, and of a reply. */
const LONGEST = 400

export class RefusedMail {
  #all = new Set<Refused>()
  #ofClient = new Map<string, Refused[]>()

  readonly report: Report = (event) => {
    if (event.kind !== 'refused') return
    const mine = this.#ofClient.get(event.client) ?? []
    this.#ofClient.set(event.client, mine)
    if (mine.length === OF_CLIENT) this.#all.delete(mine.shift()!)
    const { command, reply } = event
    const kept = { ...event, command: command.slice(0, LONGEST), reply: reply.slice(0, LONGEST) }
    mine.push(kept)
    this.#all.add(kept)
    this.#forget(event.at)
  }

  /** The newest first. Case matters in no part of the address. */
  find(address: string): Refused[] {
    const sought = address.toLowerCase()
    return [...this.#all].filter((each) => isOf(each, sought)).reverse()
  }

  #forget(now: number): void {
    for (const oldest of this.#all) {
      if (this.#all.size <= MOST && now - oldest.at < AGE) return
      this.#all.delete(oldest)
      const mine = this.#ofClient.get(oldest.client)!
      mine.shift()
      if (mine.length === 0) this.#ofClient.delete(oldest.client)
    }
  }
}

function isOf({ command, from, to = [] }: Refused, sought: string): boolean {
  const named = /<([^>]*)>/.exec(command)?.[1]
  return [named, from, ...to].some((address) => address?.toLowerCase() === sought)
}
