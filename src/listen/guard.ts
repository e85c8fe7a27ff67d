// Who guesses passwords. Failures of one address for one user slow down and then lock that pair
// out for a while; only AUTH is refused, never mail that a network rule admits. Hashing is
// bounded, and a login that was verified is remembered for a short time as an HMAC.

import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { User } from '../policy/policy.ts'
import { pause } from '../base/clock.ts'

export type Verify = (phc: string, password: string) => Promise<boolean>

/** `locked` and `busy` are told as "later"; nothing was looked at then. */
export type Login = 'ok' | 'wrong' | 'locked' | 'busy'

const MINUTE = 60_000
const REMEMBERED = 5 * MINUTE
const FAILURES = 10
const LOCKED = 15 * MINUTE
const SLOWEST = 10_000
const HASHES = 2
const WAITERS = 100
const LONGEST_WAIT = 5000
/** Of pairs and of logins that are kept in mind. */
const MOST = 10_000

// For users that do not exist: takes as long as a real one and fits no password.
const NOBODY = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

interface Failures {
  count: number
  /** Forgotten, or unlocked, at this time. */
  until: number
}

export class Guard {
  readonly #clock: Clock
  readonly #verify: Verify
  readonly #key = randomBytes(32)
  readonly #failures = new Map<string, Failures>()
  readonly #verified = new Map<string, number>()
  readonly #waiters: (() => void)[] = []
  #running = 0

  constructor(clock: Clock, verify: Verify) {
    this.#clock = clock
    this.#verify = verify
  }

  /** Takes longer after each failure. Rejects when the password cannot be checked. */
  async login(
    client: string,
    name: string,
    password: string,
    user: User | undefined,
  ): Promise<Login> {
    const pair = `${client}\n${name}`
    if (this.#isLocked(pair)) return 'locked'
    const login = this.#loginKey(name, password, user)
    if (this.#isRemembered(login)) return 'ok'
    if (!(await this.#enter())) return 'busy'
    let ok: boolean
    try {
      // What happened while we waited counts: a lock, or another session's same login.
      if (this.#isLocked(pair)) return 'locked'
      ok = this.#isRemembered(login) || (await this.#check(password, user))
    } finally {
      this.#leave()
    }
    return ok ? this.#succeed(pair, login) : this.#fail(pair)
  }

  async #check(password: string, user: User | undefined): Promise<boolean> {
    const fits = await this.#verify(user?.password ?? NOBODY, password)
    return fits && user !== undefined
  }

  #succeed(pair: string, login: string): 'ok' {
    this.#failures.delete(pair)
    bound(this.#verified)
    this.#verified.set(login, this.#clock.now() + REMEMBERED)
    return 'ok'
  }

  async #fail(pair: string): Promise<'wrong'> {
    const count = (this.#failuresOf(pair)?.count ?? 0) + 1
    this.#failures.delete(pair) // so that the oldest come first
    bound(this.#failures)
    this.#failures.set(pair, { count, until: this.#clock.now() + LOCKED })
    if (count > 1) await pause(this.#clock, Math.min(250 * 2 ** (count - 1), SLOWEST))
    return 'wrong'
  }

  #isLocked(pair: string): boolean {
    return (this.#failuresOf(pair)?.count ?? 0) >= FAILURES
  }

  #failuresOf(pair: string): Failures | undefined {
    const failures = this.#failures.get(pair)
    if (failures === undefined || failures.until > this.#clock.now()) return failures
    this.#failures.delete(pair)
    return undefined
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

  /** Waits for one of the few places; false when that would take too long. */
  async #enter(): Promise<boolean> {
    if (this.#running < HASHES) {
      this.#running++
      return true
    }
    if (this.#waiters.length >= WAITERS) return false
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const turn = (): void => {
      cancel()
      resolve(true)
    }
    const cancel = this.#clock.after(LONGEST_WAIT, () => {
      this.#waiters.splice(this.#waiters.indexOf(turn), 1)
      resolve(false)
    })
    this.#waiters.push(turn)
    return promise
  }

  #leave(): void {
    const next = this.#waiters.shift()
    if (next === undefined) this.#running--
    else next()
  }
}

function bound(map: Map<string, unknown>): void {
  if (map.size < MOST) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
