// Who guesses passwords. Failures of one network for one user slow down and then lock that pair
// out for a while, and many failures whatever the names lock the network; only AUTH is refused, never
// mail that a network rule admits. Hashing is bounded, and a login that was verified is remembered as
// an HMAC, so that neither a lock nor a crowd keeps out who has the right password.

import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { User } from '../../policy/policy.ts'
import { pause } from '../../base/clock.ts'
import { networkOf } from '../../base/network.ts'
import { LoginLine } from './login-line.ts'

export type Verify = (phc: string, password: string) => Promise<boolean>

/** `locked` and `busy` are told as "later"; nothing was looked at then. */
export type LoginOutcome = 'ok' | 'wrong' | 'locked' | 'busy'

const MINUTE = 60_000
const REMEMBERED = 5 * MINUTE
/** A login that is used again is used by a program: from then on so long. */
const REMEMBERED_IN_USE = 60 * MINUTE
const FAILURES = 10
/** Of a network, for whichever users. */
const FAILURES_IN_ALL = 50
const LOCKED = 15 * MINUTE
const SLOWEST = 10_000
/** Of pairs, of networks and of logins that are kept in mind. */
const MOST = 10_000

// For users that do not exist: takes as long as a real one and fits no password.
const NOBODY = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

interface Failures {
  count: number
  /** Forgotten, or unlocked, at this time. */
  until: number
}

export class LoginThrottle {
  readonly #clock: Clock
  readonly #verify: Verify
  readonly #key = randomBytes(32)
  readonly #ofPairs = new Map<string, Failures>()
  readonly #ofNetworks = new Map<string, Failures>()
  readonly #verified = new Map<string, number>()
  readonly #line: LoginLine

  constructor(clock: Clock, verify: Verify) {
    this.#clock = clock
    this.#verify = verify
    this.#line = new LoginLine(clock, (network) => this.#count(this.#ofNetworks, network) > 0)
  }

  /** Takes longer after each failure. Rejects when the password cannot be checked. */
  async login(
    client: string,
    name: string,
    password: string,
    user: User | undefined,
  ): Promise<LoginOutcome> {
    const pair = pairOf(client, name, user)
    const login = this.#loginKey(name, password, user)
    if (this.#isRemembered(login)) return this.#succeed(pair, login, REMEMBERED_IN_USE)
    if (this.lockedUntil(client, name, user) !== undefined) return 'locked'
    if (!(await this.#line.enter(networkOf(client)))) return 'busy'
    let ok: boolean
    try {
      // What happened while we waited counts: another session's same login, or a lock.
      ok = this.#isRemembered(login)
      if (!ok && this.lockedUntil(client, name, user) !== undefined) return 'locked'
      ok ||= await this.#check(password, user)
    } finally {
      this.#line.leave()
    }
    return ok ? this.#succeed(pair, login, REMEMBERED) : this.#fail(networkOf(client), pair)
  }

  /** Until when this user cannot log in from there; a new password of his ends it at once. */
  lockedUntil(client: string, name: string, user: User | undefined): number | undefined {
    const pair = pairOf(client, name, user)
    const network = networkOf(client)
    if (this.#count(this.#ofPairs, pair) >= FAILURES) return this.#ofPairs.get(pair)!.until
    if (this.#count(this.#ofNetworks, network) < FAILURES_IN_ALL) return undefined
    return this.#ofNetworks.get(network)!.until
  }

  async #check(password: string, user: User | undefined): Promise<boolean> {
    const fits = await this.#verify(user?.password ?? NOBODY, password)
    return fits && user !== undefined
  }

  #succeed(pair: string, login: string, remembered: number): 'ok' {
    this.#ofPairs.delete(pair)
    const until = Math.max(this.#verified.get(login) ?? 0, this.#clock.now() + remembered)
    this.#verified.delete(login) // so that the oldest come first
    bound(this.#verified)
    this.#verified.set(login, until)
    return 'ok'
  }

  async #fail(network: string, pair: string): Promise<'wrong'> {
    this.#add(this.#ofNetworks, network)
    const count = this.#add(this.#ofPairs, pair)
    if (count > 1) await pause(this.#clock, Math.min(250 * 2 ** (count - 1), SLOWEST))
    return 'wrong'
  }

  #add(failures: Map<string, Failures>, key: string): number {
    const count = this.#count(failures, key) + 1
    failures.delete(key) // so that the oldest come first
    bound(failures)
    failures.set(key, { count, until: this.#clock.now() + LOCKED })
    return count
  }

  #count(failures: Map<string, Failures>, key: string): number {
    const found = failures.get(key)
    if (found === undefined || found.until > this.#clock.now()) return found?.count ?? 0
    failures.delete(key)
    return 0
  }

  #isRemembered(login: string): boolean {
    const until = this.#verified.get(login)
    if (until === undefined || until > this.#clock.now()) return until !== undefined
    this.#verified.delete(login)
    return false
  }

  // With the hash in it, so that a changed password is not remembered.
  #loginKey(name: string, password: string, user: User | undefined): string {
    const text = JSON.stringify([name, user?.password, password])
    return createHmac('sha256', this.#key).update(text).digest('base64')
  }
}

function pairOf(client: string, name: string, user: User | undefined): string {
  return `${networkOf(client)}\n${name}\n${user?.password ?? ''}`
}

function bound(map: Map<string, unknown>): void {
  if (map.size < MOST) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
