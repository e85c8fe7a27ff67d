// AUTH in one session (RFC 4954): when it is allowed, the exchange, and who the client is then.

import type { Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Door } from '../door/door.ts'
import type { LoginOutcome, LoginThrottle } from '../door/login-throttle.ts'
import type { ReplyLine } from '../words/reply.ts'
import type { Exchange, Step } from '../words/sasl.ts'
import type { Wire } from './wire.ts'
import { isLoopback } from '../../base/network.ts'
import { SAY } from '../words/reply.ts'
import { startExchange } from '../words/sasl.ts'

/** No user has a longer one: what is looked up, counted and logged of a name has an end. */
const LONGEST_NAME = 200

/** What AUTH needs of the connection. */
type LoginWire = Pick<Wire, 'client' | 'secure' | 'say' | 'holdWork' | 'releaseWork'>

export interface LoginParts {
  readonly policy: () => Policy
  readonly report: Report
  readonly clock: Pick<Clock, 'now'>
  readonly throttle: Pick<LoginThrottle, 'login' | 'lockedUntil'>
  readonly door: Pick<Door, 'remember'>
  /** The listener is bound to a loopback address. */
  readonly loopback: boolean
}

export class Login {
  readonly #parts: LoginParts
  readonly #wire: LoginWire
  readonly #onFailure: (reply: ReplyLine) => void
  readonly #onWork: (working: boolean) => void
  #exchange: Exchange | undefined
  #user: string | undefined

  constructor(
    parts: LoginParts,
    wire: LoginWire,
    onFailure: (reply: ReplyLine) => void,
    onWork: (working: boolean) => void,
  ) {
    this.#parts = parts
    this.#wire = wire
    this.#onFailure = onFailure
    this.#onWork = onWork
  }

  get user(): string | undefined {
    return this.#user
  }

  /** The user, unless the users file no longer has it. */
  stillUser(policy: Policy): string | undefined {
    if (this.#user !== undefined && policy.user(this.#user) === undefined) this.#user = undefined
    return this.#user
  }

  /** The next line belongs to an exchange. */
  get open(): boolean {
    return this.#exchange !== undefined
  }

  /** Passwords go over TLS, or stay on this machine where a policy says so. */
  get allowed(): boolean {
    if (this.#wire.secure) return true
    if (this.#parts.policy().listen.authWithoutTls !== 'loopback') return false
    return this.#parts.loopback && isLoopback(this.#wire.client)
  }

  /** Answers with the reply to send when no exchange begins. */
  start(rest: string): ReplyLine | undefined {
    const [mechanism = '', initial, ...more] = rest.split(' ')
    const refused = this.#refusal(mechanism, more.length > 0)
    if (refused !== undefined) return refused
    const started = startExchange(mechanism.toUpperCase())
    if (started === undefined) return SAY.unknownMechanism
    this.#exchange = started.exchange
    if (initial === undefined) this.#take(started.first)
    else this.answer(initial)
    return undefined
  }

  answer(line: string): void {
    const exchange = this.#exchange!
    this.#take(exchange(line))
  }

  cancel(): void {
    this.#exchange = undefined
  }

  #refusal(mechanism: string, tooMany: boolean): ReplyLine | undefined {
    if (this.#user !== undefined) return SAY.loginTwice
    if (!this.allowed) return SAY.loginNeedsTls
    return mechanism === '' || tooMany ? SAY.badArguments : undefined
  }

  #take(step: Step): void {
    if (step.kind === 'challenge') return this.#wire.say(step.reply)
    this.#exchange = undefined
    if (step.kind === 'refused') return this.#onFailure(step.reply)
    this.#onWork(true)
    this.#wire.holdWork()
    void this.#verify(step.name.slice(0, LONGEST_NAME), step.password)
  }

  async #verify(name: string, password: string): Promise<void> {
    const outcome = await this.#ask(name, password)
    this.#onWork(false)
    this.#report(name, outcome)
    if (outcome === 'ok') {
      this.#user = name
      this.#parts.door.remember(this.#wire.client)
      this.#wire.say(SAY.loginOk)
    } else this.#onFailure(outcome === 'wrong' ? SAY.loginBad : SAY.loginLater)
    this.#wire.releaseWork()
  }

  async #ask(name: string, password: string): Promise<LoginOutcome> {
    const { throttle, policy } = this.#parts
    try {
      return await throttle.login(this.#wire.client, name, password, policy().user(name))
    } catch (error) {
      this.#note(error)
      return 'busy'
    }
  }

  #report(name: string, outcome: LoginOutcome): void {
    const { report, clock, policy } = this.#parts
    const client = this.#wire.client
    const known = policy().user(name)
    // What is no name may be a password that was typed in its place.
    const event = { at: clock.now(), client, user: known === undefined ? UNKNOWN : name }
    if (outcome === 'ok') report({ kind: 'login', ...event, ok: true })
    else report({ kind: 'login', ...event, ok: false, reason: this.#reason(name, outcome) })
  }

  #reason(name: string, outcome: Exclude<LoginOutcome, 'ok'>): string {
    if (outcome !== 'locked') return REASONS[outcome]
    const { throttle, policy } = this.#parts
    const until = throttle.lockedUntil(this.#wire.client, name, policy().user(name))
    const time = until === undefined ? '' : ` until ${new Date(until).toISOString()}`
    return `locked out${time}, or a new password, after too many failures from this address`
  }

  #note(error: unknown): void {
    const cause = error instanceof Error ? error.message : String(error)
    const at = this.#parts.clock.now()
    this.#parts.report({ kind: 'note', at, level: 'error', text: 'Cannot check a password', cause })
  }
}

const REASONS = {
  wrong: 'wrong name or password',
  busy: 'too many logins at once',
} as const

/** No name of a user. */
const UNKNOWN = '(unknown)'
