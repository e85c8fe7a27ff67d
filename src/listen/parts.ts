// What a session needs of the rest of the relay.

import type { Clock } from '../base/clock.ts'
import type { Address } from '../mail/address.ts'
import type { Policy } from '../policy/policy.ts'
import type { Reception } from '../submit/message.ts'
import type { Door } from './door/door.ts'
import type { LoginThrottle } from './door/login-throttle.ts'
import type { Tally } from './door/tally.ts'
import type { Turns } from './door/turns.ts'

export type Scheme = 'smtp' | 'submission' | 'submissions'

export interface ListenParts extends Reception {
  readonly scheme: Scheme
  /** Where `<Postmaster>` goes (RFC 5321 4.5.1). */
  readonly postmaster: Address
  readonly policy: () => Policy
  readonly clock: Clock
  readonly throttle: LoginThrottle
  readonly door: Door
  readonly turns: Turns
  readonly tally: Tally
  /** Bound to a loopback address. */
  readonly loopback: boolean
  /** STARTTLS is offered, or TLS is there from the first byte. */
  readonly hasTls: () => boolean
}
