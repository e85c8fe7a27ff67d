// What a session needs of the rest of the relay, and what it knows of its client.

import type { Clock } from '../base/clock.ts'
import type { Address } from '../mail/address.ts'
import type { Report } from '../mail/event.ts'
import type { At, Policy } from '../policy/policy.ts'
import type { Intake } from '../queue/port/intake.ts'
import type { Door } from './door.ts'
import type { Guard } from './guard.ts'
import type { Tally } from './tally.ts'
import type { Turns } from './turns.ts'

export type Scheme = 'smtp' | 'submission' | 'submissions'

export interface ListenParts {
  readonly scheme: Scheme
  readonly hostname: string
  /** Where `<Postmaster>` goes (RFC 5321 4.5.1). */
  readonly postmaster: Address
  readonly policy: () => Policy
  readonly queue: Intake
  readonly report: Report
  readonly clock: Clock
  readonly guard: Guard
  readonly door: Door
  readonly turns: Turns
  readonly tally: Tally
  /** Bound to a loopback address. */
  readonly loopback: boolean
  /** STARTTLS is offered, or TLS is there from the first byte. */
  readonly hasTls: () => boolean
}

/** Who is on the other side, as far as content and envelope need it. */
export interface Client {
  readonly address: string
  readonly hello: string
  readonly user: string | undefined
  /** As in `Received`. */
  readonly protocol: string
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384` */
  readonly tls: string | undefined
  /** The rule that admitted it. */
  readonly rule: At
}
