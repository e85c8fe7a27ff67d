// What policy says of a delivery now. Each attempt asks anew, because files change while mail
// waits: where it goes, for whom of its recipients, how long it may wait and how often it is tried.

import type { Destination } from '../../mail/destination.ts'
import type { Policy, Routing, Signing } from '../../policy/policy.ts'
import { chosen } from '../../policy/signing.ts'
import type { Delivery, Recipient } from '../../queue/port/outflow.ts'
import type { Patience } from '../trouble/back-off.ts'

export type Plan =
  | ({
      readonly kind: 'send'
      readonly recipients: readonly Recipient[]
      /** The rule that leaves out keys, and what it says. */
      readonly signedBy?: string
    } & Times)
  | { readonly kind: 'move'; readonly destination: Destination; readonly rule: string }
  /** Its time is over, or an operator refused it. */
  | { readonly kind: 'end' }

/** What is asked of policy. */
export type Asked = Pick<Policy, 'route' | 'queue' | 'signing'>

export interface Times {
  readonly retry: readonly number[]
  readonly expireAt: number
  /** Absent where nothing changes. */
  readonly warnAt?: number
  readonly signing: Signing | undefined
}

/** The recipients that one transaction may have (RFC 5321 4.5.3.1.8: a server takes at least 100). */
const TOGETHER = 100
/** Priorities below are of the first band: mail that somebody waits for. */
const URGENT = 10

export function planOf(delivery: Delivery, policy: Asked, now: number): Plan {
  const times = timesOf(delivery, policy)
  if (delivery.refuse !== undefined || now >= times.expireAt) return { kind: 'end' }
  const due = delivery.recipients.filter((recipient) => recipient.due <= now)
  const asked = due.length > 0 ? due : delivery.recipients
  const here: Recipient[] = []
  let first: Routing | undefined
  let away: { destination: Destination; at: string } | undefined
  for (const recipient of asked) {
    const routing = policy.route(recipient.address, delivery.envelope.sender)
    // Where no rule fits any more, what was decided at acceptance stands.
    if (routing !== undefined && routing.destination !== delivery.destination) away ??= routing
    else if (here.length === 0 || isSignedAlike(first, routing)) {
      if (here.length === 0) first = routing
      here.push(recipient)
    }
  }
  // Those who belong elsewhere go when nobody is left who belongs here.
  if (here.length === 0 && away !== undefined)
    return { kind: 'move', destination: away.destination, rule: away.at }
  const recipients = here.slice(0, TOGETHER)
  if (first?.sign === undefined || times.signing === undefined)
    return { kind: 'send', recipients, ...times }
  const signedBy = `${first.at} says sign: ${[first.sign].flat().join(', ')}`
  return {
    kind: 'send',
    recipients,
    ...times,
    signing: chosen(times.signing, first.sign),
    signedBy,
  }
}

// One transaction has one content: who is to have another one waits for the next.
function isSignedAlike(one: Routing | undefined, other: Routing | undefined): boolean {
  return one?.sign === other?.sign || String(one?.sign) === String(other?.sign)
}

/** How long it can wait while its site, or the way there, is in trouble. */
export function patienceOf(
  delivery: Delivery,
  policy: Pick<Policy, 'queue' | 'lifetime'>,
): Patience {
  return { lifetime: policy.lifetime, isUrgent: policy.queue(delivery.queue).priority < URGENT }
}

/** How long it may wait and how often it is tried. */
export function timesOf(delivery: Delivery, policy: Omit<Asked, 'route'>): Times {
  const { retry, giveUpAfter, warnAfter } = policy.queue(delivery.queue)
  const warnAt = warnAfter === undefined ? undefined : timeAfter(delivery, warnAfter)
  // Without a time it has been warned, or is never to be.
  const changed = delivery.warnAt !== undefined && warnAt !== undefined
  return {
    retry,
    expireAt: timeAfter(delivery, giveUpAfter),
    ...(changed && warnAt !== delivery.warnAt ? { warnAt } : {}),
    signing: policy.signing(delivery.envelope.fromDomains),
  }
}

/** When it has waited for so long, what it was held left out. */
export function timeAfter({ acceptedAt, heldFor = 0 }: Delivery, milliseconds: number): number {
  return acceptedAt + heldFor + milliseconds
}
