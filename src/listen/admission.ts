// May this client send at all: by listener, TLS, user and relay rules. The answer is kept until
// the policy or the user changes, since every recipient asks for it.

import type { Address } from '../mail/address.ts'
import type { Policy, RelayVerdict } from '../policy/policy.ts'
import type { Refusal } from './content.ts'
import type { Login } from './login.ts'
import type { ListenParts } from './parts.ts'
import { isLoopback } from '../base/network.ts'
import { SAY } from './reply.ts'

interface Wire {
  readonly client: string
  readonly secure: boolean
}

export class Admission {
  readonly #parts: ListenParts
  readonly #wire: Wire
  readonly #login: Login
  #judged: { policy: Policy; user: string | undefined; verdict: RelayVerdict } | undefined

  constructor(parts: ListenParts, wire: Wire, login: Login) {
    this.#parts = parts
    this.#wire = wire
    this.#login = login
  }

  /** Why not, whatever the sender and the recipients. */
  barred(policy: Policy): Refusal | undefined {
    const submission = this.#parts.scheme !== 'smtp'
    if (submission && !this.#wire.secure) return { reply: SAY.tlsFirst }
    const { action, at } = this.verdict(policy)
    if (action === 'allow' && (!submission || this.#login.user !== undefined)) return undefined
    const isVoid = !submission && this.#loopbackIsVoid(policy)
    if (action === 'refuse')
      return { reply: isVoid ? SAY.relayRefusedHere : SAY.relayRefused, rule: at }
    return { reply: isVoid ? SAY.loginFirstHere : SAY.loginFirst, rule: at }
  }

  /** This client could send, were this listener one that only its own machine can reach. */
  #loopbackIsVoid(policy: Policy): boolean {
    const { client } = this.#wire
    if (this.#parts.loopback || !isLoopback(client)) return false
    return policy.mayRelay({ client, listenerLoopback: true }).action === 'allow'
  }

  /** What is wrong with a message of this sender and size, before it has recipients. */
  objection(policy: Policy, sender: Address | undefined, size: number): Refusal | undefined {
    if (size > policy.listen.size) return { reply: SAY.tooBig }
    // Nobody sends content for nothing, or waits for storage that is away.
    const trouble = this.#parts.queue.refuses()
    if (trouble !== undefined) return { reply: trouble === 'full' ? SAY.full : SAY.failing }
    const { user } = this.#login
    if (user === undefined) return undefined
    const verdict = policy.maySend(user, sender)
    return verdict.allowed ? undefined : { reply: SAY.senderRefused, rule: verdict.at }
  }

  verdict(policy: Policy): RelayVerdict {
    const judged = this.#judged
    if (judged?.policy === policy && judged.user === this.#login.user) return judged.verdict
    const user = this.#login.stillUser(policy)
    const request = { client: this.#wire.client, listenerLoopback: this.#parts.loopback }
    const verdict = policy.mayRelay(user === undefined ? request : { ...request, user })
    this.#judged = { policy, user, verdict }
    return verdict
  }
}
