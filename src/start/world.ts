// What is not ours to decide.

import { systemClock, type Clock } from '../base/clock.ts'
import type { LogOutput } from '../events/log.ts'
import type { Report } from '../mail/event.ts'
import type { LeaseTime } from '../queue/bullmq/link/time.ts'
import type { OperatorAct } from '../queue/port/types.ts'
import type { Environment } from '../settings/settings.ts'

/** What is not ours to decide: time, chance, the environment, where the log goes. */
export interface World {
  readonly clock: Clock
  /** From 0 up to 1, like `Math.random`. */
  readonly chance: () => number
  readonly environment: Environment
  readonly output: LogOutput
  /** A person looks at the output. */
  readonly terminal: boolean
  /** Whoever wants the events themselves. */
  readonly watch?: Report
  /** What leases in Redis are measured by; the server's clock by default. */
  readonly time?: LeaseTime
  /** All mail is held, by whom and why, before any of it can leave. */
  readonly held?: OperatorAct
}

export const realWorld: World = {
  clock: systemClock,
  chance: Math.random,
  environment: process.env,
  output: process.stdout,
  terminal: process.stdout.isTTY,
}
