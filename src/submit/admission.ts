// May somebody hand mail in at all: what the relay rules say of a client and its user. The answer is
// kept until the policy or the user changes, since every recipient asks for it.

import type { Policy, RelayVerdict } from '../policy/policy.ts'
import type { Refusal } from './verdict.ts'
import { isLoopback } from '../base/network.ts'
import { REFUSAL } from './refusals.ts'

/** A client, and the way in that it came by. */
export interface Visit {
  readonly client: string
  /** Only programs of this machine can come that way. */
  readonly loopback: boolean
  /** It is for users alone, whatever the rules allow to others. */
  readonly usersOnly: boolean
}

export class Admission {
  readonly #visit: Visit
  #judged: { policy: Policy; user: string | undefined; verdict: RelayVerdict } | undefined

  constructor(visit: Visit) {
    this.#visit = visit
  }

  /** Why not, whatever the sender and the recipients. */
  refusal(policy: Policy, user: string | undefined): Refusal | undefined {
    const { action, at: rule } = this.verdict(policy, user)
    const { usersOnly } = this.#visit
    if (action === 'allow' && (!usersOnly || user !== undefined)) return undefined
    const isVoid = !usersOnly && this.#loopbackIsVoid(policy)
    if (action === 'refuse') return { ...(isVoid ? REFUSAL.relayingHere : REFUSAL.relaying), rule }
    return { ...(isVoid ? REFUSAL.loginHere : REFUSAL.login), rule }
  }

  verdict(policy: Policy, user: string | undefined): RelayVerdict {
    const judged = this.#judged
    if (judged?.policy === policy && judged.user === user) return judged.verdict
    const { client, loopback: listenerLoopback } = this.#visit
    const request = { client, listenerLoopback }
    const verdict = policy.mayRelay(user === undefined ? request : { ...request, user })
    this.#judged = { policy, user, verdict }
    return verdict
  }

  /** This client could send, were this a way that only its own machine can come. */
  #loopbackIsVoid(policy: Policy): boolean {
    const { client, loopback } = this.#visit
    if (loopback || !isLoopback(client)) return false
    return policy.mayRelay({ client, listenerLoopback: true }).action === 'allow'
  }
}
