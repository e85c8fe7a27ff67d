// How many are in: connections in all and of one address. Whoever enters leaves once.

import type { ListenRules } from '../policy/policy.ts'
import type { ReplyLine } from './reply.ts'
import { SAY } from './reply.ts'

export class Door {
  readonly #rules: () => ListenRules
  readonly #clients = new Map<string, number>()
  #count = 0

  constructor(rules: () => ListenRules) {
    this.#rules = rules
  }

  /** Why this address may not come in now; `undefined`: it is in, until `leave`. */
  enter(client: string): ReplyLine | undefined {
    const { connections, connectionsPerClient } = this.#rules()
    const mine = this.#clients.get(client) ?? 0
    if (this.#count >= connections) return SAY.tooManyConnections
    if (mine >= connectionsPerClient) return SAY.tooManyFromClient
    this.#count++
    this.#clients.set(client, mine + 1)
    return undefined
  }

  leave(client: string): void {
    const mine = (this.#clients.get(client) ?? 1) - 1
    this.#count--
    if (mine === 0) this.#clients.delete(client)
    else this.#clients.set(client, mine)
  }
}
