// What kind of trouble an outcome is that suspends, for alarms.

import type { Cause, Outcome, Stage } from '../mail/outcome.ts'

export function causeOf({ stage }: Pick<Outcome, 'stage'>): Cause {
  return CAUSE_AT[stage] ?? 'other'
}

const CAUSE_AT: Readonly<Partial<Record<Stage, Cause>>> = {
  dns: 'dns',
  connect: 'connect',
  greeting: 'connect',
  hello: 'connect',
  starttls: 'tls',
  auth: 'login',
}
