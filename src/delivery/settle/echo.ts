// The events of a settlement, told after it has been written: what was tried, what ended, who was
// warned.

import { formatAddress, formatPath } from '../../mail/address.ts'
import type { Report } from '../../mail/event.ts'
import type { Delivery, Recipient, RecipientResult, Settlement } from '../../queue/port/outflow.ts'

export function tell(report: Report, delivery: Delivery, settlement: Settlement): void {
  const byNumber = new Map(delivery.recipients.map((recipient) => [recipient.n, recipient]))
  for (const result of settlement.results) {
    const recipient = byNumber.get(result.n)
    if (recipient !== undefined) tellResult(report, delivery, recipient, settlement, result)
  }
  for (const n of settlement.warned ?? []) {
    const recipient = byNumber.get(n)
    if (recipient === undefined) continue
    report({ kind: 'warned', ...subject(delivery, recipient, settlement) })
  }
}

function tellResult(
  report: Report,
  delivery: Delivery,
  recipient: Recipient,
  settlement: Settlement,
  { outcome, verdict }: RecipientResult,
): void {
  const about = subject(delivery, recipient, settlement)
  if (outcome !== undefined && settlement.attempt !== undefined) {
    const attempts = recipient.attempts + (verdict.kind === 'untried' ? 0 : 1)
    const next = verdict.kind === 'retry' ? { next: verdict.due } : {}
    report({ kind: 'attempted', ...about, outcome, attempt: settlement.attempt, attempts, ...next })
  }
  if (verdict.kind !== 'end') return
  report({
    kind: 'ended',
    ...about,
    end: verdict.end,
    acceptedAt: delivery.acceptedAt,
    ...(verdict.notice === undefined ? {} : { notice: verdict.notice }),
    ...(delivery.refuse === undefined ? {} : { by: delivery.refuse.who }),
    ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
  })
}

function subject(delivery: Delivery, recipient: Recipient, settlement: Settlement) {
  return {
    at: settlement.at,
    id: delivery.message,
    delivery: delivery.id,
    to: formatAddress(recipient.address),
    from: formatPath(delivery.envelope.sender).slice(1, -1),
    queue: delivery.queue,
    destination: delivery.destination,
  }
}
