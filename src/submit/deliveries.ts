// Where the recipients of a message go: one delivery for each destination and queue that they lead
// to, with the times of that queue.

import type { Writable } from '../base/writable.ts'
import type { Policy, QueueRules, Routing } from '../policy/policy.ts'
import type { NewDelivery } from '../queue/port/intake.ts'

/** Of a client's message; `routings` has one for each of its recipients, in their order. */
export function deliveriesOf(
  routings: readonly Routing[],
  policy: Policy,
  at: number,
): NewDelivery[] {
  const groups = new Map<string, number[]>()
  for (const [n, routing] of routings.entries()) {
    const key = `${routing.queue}\n${routing.destination}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [n])
    else group.push(n)
  }
  const deliveries: NewDelivery[] = []
  for (const recipients of groups.values()) {
    const routing = routings[recipients[0]!]!
    deliveries.push(newDelivery(routing, policy.queue(routing.queue), recipients, at, 'warned'))
  }
  return deliveries
}

/**
 * Due at once.
 * @param lateness whether its sender is told when it is late
 */
export function newDelivery(
  { destination, at: rule }: Routing,
  { name: queue, priority, giveUpAfter, warnAfter }: QueueRules,
  recipients: readonly number[],
  at: number,
  lateness: 'warned' | 'not warned',
): NewDelivery {
  const delivery: Writable<NewDelivery> = {
    destination,
    queue,
    rule,
    priority,
    recipients,
    due: at,
    expireAt: at + giveUpAfter,
  }
  if (lateness === 'warned' && warnAfter !== undefined) delivery.warnAt = at + warnAfter
  return delivery
}
