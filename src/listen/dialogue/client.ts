// Who is on the other side by now, and whether anything is taken of him: by listener, TLS, user and
// relay rules.

import type { Submitter } from '../../mail/envelope.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Submission } from '../../submit/submission.ts'
import type { Refusal } from '../../submit/verdict.ts'
import type { Hello } from '../words/hello.ts'
import type { Login } from './login.ts'
import type { Wire } from './wire.ts'
import { Admission } from '../../submit/admission.ts'
import { protocolName } from '../words/hello.ts'

/** What submission demands of a connection before anything else. */
const TLS_FIRST: Refusal = { about: 'tls', status: '5.7.0', text: 'Say STARTTLS first' }

export type Scheme = 'smtp' | 'submission' | 'submissions'

/** What it needs to know of its listener. */
export interface ClientParts {
  readonly scheme: Scheme
  /** Bound to a loopback address. */
  readonly loopback: boolean
  readonly policy: () => Policy
}

export class Client {
  readonly #parts: ClientParts
  readonly #wire: Pick<Wire, 'client' | 'secure'>
  readonly #login: Login
  readonly #admission: Admission

  constructor(parts: ClientParts, wire: Pick<Wire, 'client' | 'secure'>, login: Login) {
    this.#parts = parts
    this.#wire = wire
    this.#login = login
    this.#admission = new Admission({
      client: wire.client,
      loopback: parts.loopback,
      usersOnly: parts.scheme !== 'smtp',
    })
  }

  get address(): string {
    return this.#wire.client
  }

  get user(): string | undefined {
    return this.#login.user
  }

  /** A rule lets it send, as who it is so far. */
  get maySend(): boolean {
    return this.barred(this.#parts.policy()) === undefined
  }

  /** Why not, whatever the sender and the recipients. */
  barred(policy: Policy): Refusal | undefined {
    if (this.#parts.scheme !== 'smtp' && !this.#wire.secure) return TLS_FIRST
    return this.#admission.refusal(policy, this.#login.stillUser(policy))
  }

  /** As its message tells of it. */
  submitter(policy: Policy, hello: Hello | undefined, { smtpUtf8 }: Submission): Submitter {
    const { user } = this
    const isUser = user !== undefined
    const submitter = {
      client: this.address,
      hello: hello?.name ?? '',
      protocol: protocolName(hello?.extended === true, smtpUtf8, this.#wire.secure, isUser),
      rule: this.#admission.verdict(policy, user).at,
    }
    return isUser ? { ...submitter, user } : submitter
  }
}
