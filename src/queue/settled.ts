// What a settlement comes to, whichever engine writes it: what is to be known at the next attempt. And
// deliveries as their takers see them.

import type { NewMail } from './port/intake.ts'
import type { Delivery, LastAttempt, Settlement } from './port/outflow.ts'
import type { DeliveryId } from './port/types.ts'

/**
 * Whether every recipient was tried. Trouble before MAIL, and an attempt of some recipients, leave what is
 * known of the others: what may have arrived goes first to the same host, and its notice says so.
 */
export function isWhole({ attempt, results }: Settlement): boolean {
  if (attempt === undefined) return false
  return results.every(({ outcome, verdict }) => outcome && verdict.kind !== 'untried')
}

/** What the next attempt must know of this one, when nobody saw the reply to its dot. */
export function lastOf({ attempt, results }: Settlement): LastAttempt | undefined {
  if (attempt === undefined) return undefined
  if (!results.some(({ outcome }) => outcome?.kind === 'unknown')) return undefined
  return {
    kind: 'unknown',
    ...(attempt.host === undefined ? {} : { host: attempt.host }),
    ...(attempt.address === undefined ? {} : { address: attempt.address }),
  }
}

/** A delivery of mail that the caller still has, before its first attempt. */
export function freshDelivery(mail: NewMail, n: number, lease: string): Delivery {
  const delivery = mail.deliveries[n - 1]!
  const { destination, queue, due, expireAt, warnAt, recipients } = delivery
  return {
    id: `${mail.id}-${n}` as DeliveryId,
    message: mail.id,
    destination,
    queue,
    acceptedAt: mail.at,
    expireAt,
    ...(warnAt === undefined ? {} : { warnAt }),
    envelope: mail.envelope,
    recipients: recipients.map((index) => {
      return { n: index, ...mail.envelope.recipients[index]!, attempts: 0, due }
    }),
    content: mail.content,
    lease,
  }
}
