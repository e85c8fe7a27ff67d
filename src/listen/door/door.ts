// How many are in: connections in all and of one client. Whoever may send by a rule, or has logged
// in from there today, is never turned away for strangers; whoever enters leaves once.

import type { Clock } from '../../base/clock.ts'
import type { ListenRules } from '../../policy/policy.ts'
import type { ReplyLine } from '../words/reply.ts'
import { networkOf } from '../../base/network.ts'
import { SAY } from '../words/reply.ts'

/** How long the address of a user is known, in milliseconds, and how many are. */
const KNOWN = 86_400_000
const MOST_KNOWN = 10_000

export class Door {
  readonly #clock: Pick<Clock, 'now'>
  readonly #rules: () => ListenRules
  /** Strangers by network, the others by address. */
  readonly #clients = new Map<string, number>()
  /** Networks from which users have logged in, and until when they count. */
  readonly #users = new Map<string, number>()
  #known = 0
  #strangers = 0

  constructor(rules: () => ListenRules, clock: Pick<Clock, 'now'>) {
    this.#rules = rules
    this.#clock = clock
  }

  /** Strangers have so many places that those of them who idle should go. */
  get crowded(): boolean {
    return this.#strangers > this.#rules().connections / 2
  }

  /** Lets in, or says why not now. `admitted`: a rule lets this client send. */
  enter(client: string, admitted: boolean): Place | ReplyLine {
    const known = admitted || this.#isUsers(client)
    const { connections, connectionsPerClient } = this.#rules()
    const key = known ? client : networkOf(client)
    if ((known ? this.#known : this.#known + this.#strangers) >= connections)
      return SAY.tooManyConnections
    const mine = this.#clients.get(key) ?? 0
    if (mine >= connectionsPerClient) return SAY.tooManyFromClient
    this.#clients.set(key, mine + 1)
    this.#count(known, 1)
    let inside = true
    return {
      leave: () => {
        if (inside) this.#leave(key, known)
        inside = false
      },
    }
  }

  /** Users come from there. */
  remember(client: string): void {
    const network = networkOf(client)
    this.#users.delete(network) // so that the oldest come first
    if (this.#users.size >= MOST_KNOWN) this.#users.delete(this.#users.keys().next().value!)
    this.#users.set(network, this.#clock.now() + KNOWN)
  }

  #isUsers(client: string): boolean {
    if (this.#users.size === 0) return false
    return (this.#users.get(networkOf(client)) ?? 0) > this.#clock.now()
  }

  #leave(key: string, known: boolean): void {
    const mine = (this.#clients.get(key) ?? 1) - 1
    if (mine === 0) this.#clients.delete(key)
    else this.#clients.set(key, mine)
    this.#count(known, -1)
  }

  #count(known: boolean, change: number): void {
    if (known) this.#known += change
    else this.#strangers += change
  }
}

/** Where somebody is in, until he leaves; leaving twice does nothing. */
export interface Place {
  leave(): void
}
