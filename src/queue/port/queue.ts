// The queue: keeps what we promised and says what is next. One port, two engines, one contract suite.

import type { QueueControl } from './control.ts'
import type { Intake } from './intake.ts'
import type { Outflow } from './outflow.ts'
import type { Store } from '../../store/store.ts'

export interface Queue extends Intake, Outflow, QueueControl {
  /** Says anew what this process is, so that all who share the queue know. Absent where nobody does. */
  introduce?(): Promise<void>
  /** What is kept beside the mail. */
  readonly state: Store
}
