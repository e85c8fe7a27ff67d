// Holds, the same for both engines: what a scope is called, which hold lies on what, and what it does
// to the time that mail has. The widest hold comes first: all mail, then its destination, then its queue.

import type { Steered } from './port/control.ts'
import type { Entry, Held, StandingHold } from './port/reader.ts'
import type { OperatorAct } from './port/types.ts'

export type Scope = StandingHold['scope']

const HOUR = 3_600_000

/** As one text: `all`, `destination:far.example`, `queue:bulk`. */
export function formatScope(scope: Scope): string {
  return scope.kind === 'all' ? 'all' : `${scope.kind}:${scope.name}`
}

export function parseScope(text: string): Scope {
  if (text === 'all') return { kind: 'all' }
  const colon = text.indexOf(':')
  const kind = text.slice(0, colon) === 'queue' ? 'queue' : 'destination'
  return { kind, name: text.slice(colon + 1) }
}

/** Names of all the holds that could lie on such mail. */
export function scopesOf(destination: string, queue: string): readonly string[] {
  return ['all', `destination:${destination}`, `queue:${queue}`]
}

/** What is kept with a delivery that is held. */
export interface HoldNote extends OperatorAct {
  /** Since when; absent in what an older relay wrote. */
  readonly at?: number
}

export interface Stay {
  readonly since: number
  readonly now: number
  readonly acceptedAt: number
  readonly expireAt: number
  /** Milliseconds that it was held before. */
  readonly heldFor: number
}

/**
 * By how many milliseconds its times move when a hold ends: what it was held counts as no time that it had,
 * and it has an hour left to be tried in, or its whole lifetime where that is shorter.
 */
export function lengthOfStay({ since, now, acceptedAt, expireAt, heldFor }: Stay): number {
  const lifetime = Math.max(0, expireAt - acceptedAt - heldFor)
  return Math.max(0, now - since, now + Math.min(HOUR, lifetime) - expireAt)
}

/** As people should see it: with the holds that stand, also where mail was not marked yet. */
export function underHolds(entries: readonly Entry[], holds: readonly StandingHold[]): Entry[] {
  return entries.map((entry) => {
    const isStopped = entry.state === 'held' || entry.state === 'waiting'
    if (!isStopped || entry.refused !== undefined) return entry
    const names = scopesOf(entry.destination, entry.queue)
    const lying = names.flatMap((name) => holds.filter(({ scope }) => formatScope(scope) === name))
    return lying.length === 0 ? entry : stoppedBy(entry, lying)
  })
}

function stoppedBy(entry: Entry, [first, ...others]: readonly StandingHold[]): Entry {
  const { next: _, held, ...rest } = entry
  const isOwn = held !== undefined && held.scope === undefined
  const also = isOwn ? [first!, ...others] : others
  const since = held?.since ?? first!.at
  const main: Held = isOwn ? held : { who: first!.who, why: first!.why, scope: first!.scope, since }
  return { ...rest, state: 'held', held: { ...main, ...(also.length === 0 ? {} : { also }) } }
}

/** Adds up what the pages of one act did; holds that keep what it should have let go, by name. */
export class Tally {
  #count = 0
  #busy = 0
  #kept = new Map<string, number>()

  add(count: number, busy: number, kept: Iterable<readonly [scope: string, count: number]>): void {
    this.#count += count
    this.#busy += busy
    for (const [scope, more] of kept) this.#kept.set(scope, (this.#kept.get(scope) ?? 0) + more)
  }

  get steered(): Steered {
    const kept = Array.from(this.#kept, ([scope, count]) => ({ scope: parseScope(scope), count }))
    const done = { count: this.#count, busy: this.#busy }
    return kept.length === 0 ? done : { ...done, kept }
  }
}
