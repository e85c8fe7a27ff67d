// What the parts that take mail in and out have in common.

import type { Clock } from '../base/clock.ts'
import type { Report } from '../mail/event.ts'
import type { Policy } from '../policy/policy.ts'
import type { Queue } from '../queue/port/queue.ts'

export interface Shared {
  readonly queue: Queue
  readonly policy: () => Policy
  readonly report: Report
  readonly clock: Clock
}
