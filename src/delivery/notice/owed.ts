// Adds to a settlement the notices that it owes: one for all recipients that failed, one for those
// that wait, one for those that arrived and whose sender asked. Whether anybody is to be told is
// decided here; what the notice says is notice.ts's.

import { createHash } from 'node:crypto'
import { collect } from '../../base/collect.ts'
import type { Outcome } from '../../mail/outcome.ts'
import type { Policy } from '../../policy/policy.ts'
import type { NewMail } from '../../queue/port/intake.ts'
import type { Delivery, Recipient, RecipientResult, Settlement } from '../../queue/port/outflow.ts'
import type { QueueReader } from '../../queue/port/reader.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import type { MessageId } from '../../queue/port/types.ts'
import { composeSmaller } from './compose.ts'
import { wantsNotice } from '../decide/notice-report.ts'
import type { NoticeKind, NoticeOptions, NoticeReport, Reported } from '../decide/notice-report.ts'
import { isAboutContent, smallerNotice } from './smaller.ts'

export type ComposeNotice = (
  options: NoticeOptions,
  report: NoticeReport,
) => Promise<NewMail | undefined>

export interface NoticesOptions {
  readonly hostname: string
  readonly policy: () => Policy
  readonly queue: Outflow & Pick<QueueReader, 'trace'>
  readonly compose: ComposeNotice
}

/** Content that a notice can carry whole; of larger content this much is read for its header. */
const IN_MEMORY = 256 * 1024

export class Notices {
  #options: NoticesOptions

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  /**
   * The settlement, or how to make it with its notices.
   * @param passedOn the server takes the wish for success reports, and so the duty to write them
   */
  owed(
    delivery: Delivery,
    settlement: Settlement,
    passedOn: boolean,
  ): Settlement | (() => Promise<Settlement>) {
    if (!settlement.results.some((result) => owes(delivery, result, passedOn))) return settlement
    return () => this.#complete(delivery, settlement, passedOn)
  }

  /** A warning that the delivery still waits; `warned` are those who asked to be told. */
  async warn(delivery: Delivery, at: number): Promise<Settlement> {
    const { sender } = delivery.envelope
    const results = delivery.recipients.map(({ n }) => ({
      n,
      verdict: { kind: 'untried' as const },
    }))
    const settlement = { at, results, warnAt: null }
    const concerned = delivery.recipients.filter(
      (recipient) => wantsNotice(recipient, 'delay', sender) === 'sent',
    )
    if (concerned.length === 0) return settlement
    const seen = await this.#lastSeen(delivery)
    const reported = concerned.map((recipient) => ({
      recipient,
      ...(seen.has(recipient.n) ? { outcome: seen.get(recipient.n)! } : {}),
      action: 'delayed' as const,
    }))
    const notice = await this.#compose('delay', delivery, settlement, reported)
    if (notice === undefined) return settlement
    return { ...settlement, warned: concerned.map(({ n }) => n), notices: [notice] }
  }

  async #complete(
    delivery: Delivery,
    settlement: Settlement,
    passedOn: boolean,
  ): Promise<Settlement> {
    if (delivery.envelope.notice !== undefined) return this.#again(delivery, settlement)
    const { results } = settlement
    const failed = results.filter(isFailure)
    const arrived = passedOn ? [] : results.filter((result) => wantsSuccess(delivery, result))
    const untold = failed.filter((result) => result.outcome === undefined)
    const seen = untold.length > 0 ? await this.#lastSeen(delivery) : new Map<number, Outcome>()
    const failures = failed.map((result) => failure(delivery, result, seen))
    const successes = arrived.map(({ n, outcome }) => ({
      recipient: recipientOf(delivery, n),
      ...(outcome === undefined ? {} : { outcome }),
      action: 'relayed' as const,
    }))
    const failureNotice = await this.#compose('failure', delivery, settlement, failures)
    const successNotice = await this.#compose('success', delivery, settlement, successes)
    const notices = [failureNotice, successNotice].filter((notice) => notice !== undefined)
    const told = failureNotice === undefined ? results.map(untellable) : results
    return { ...settlement, results: told, ...(notices.length > 0 ? { notices } : {}) }
  }

  /** A notice that was refused for its content goes once more, with less of it. */
  async #again(delivery: Delivery, settlement: Settlement): Promise<Settlement> {
    const { hostname, policy } = this.#options
    const smaller = smallerNotice(await this.#read(delivery, delivery.content.size))
    const id = idOf(`${delivery.id} smaller`)
    const notice =
      smaller &&
      composeSmaller({ hostname, policy: policy() }, delivery, id, settlement.at, smaller.bytes)
    if (notice === undefined) return settlement
    const reason = `sent again with ${smaller!.with}: ${id}`
    const results = settlement.results.map((result) =>
      result.verdict.kind === 'end'
        ? { ...result, verdict: { ...result.verdict, reason } }
        : result,
    )
    return { ...settlement, results, notices: [notice] }
  }

  async #compose(
    kind: NoticeKind,
    delivery: Delivery,
    { at, attempt }: Settlement,
    recipients: readonly Reported[],
  ): Promise<NewMail | undefined> {
    if (recipients.length === 0) return undefined
    const { hostname, policy, compose } = this.#options
    const content = await this.#read(delivery)
    const whole = content.length >= delivery.content.size
    return compose(
      { hostname, policy: policy() },
      {
        kind,
        id: noticeId(delivery, kind, recipients),
        delivery,
        at,
        ...(attempt === undefined ? {} : { attempt }),
        recipients,
        header: content,
        ...(whole ? { full: content } : {}),
        ...(kind === 'delay' ? { willRetryUntil: delivery.expireAt } : {}),
      },
    )
  }

  async #read({ content }: Delivery, atLeast = IN_MEMORY): Promise<Buffer> {
    const { bytes } = content
    if (bytes !== undefined) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    try {
      return await collect(this.#options.queue.content(content), atLeast)
    } catch {
      // A notice without the top of the message is better than an end that nobody hears of.
      return Buffer.alloc(0)
    }
  }

  /** What each recipient was answered last: the queue's history knows. */
  async #lastSeen(delivery: Delivery): Promise<Map<number, Outcome>> {
    const seen = new Map<number, Outcome>()
    const trace = await this.#options.queue.trace(delivery.message)
    for (const fact of trace?.facts ?? []) {
      if (fact.kind !== 'settled') continue
      for (const { n, outcome } of fact.results) if (outcome !== undefined) seen.set(n, outcome)
    }
    return seen
  }
}

function owes(delivery: Delivery, result: RecipientResult, passedOn: boolean): boolean {
  if (delivery.envelope.notice !== undefined)
    return result.verdict.kind === 'end' && isAboutContent(result.outcome)
  return isFailure(result) || (!passedOn && wantsSuccess(delivery, result))
}

function isFailure({ verdict }: RecipientResult): boolean {
  return verdict.kind === 'end' && verdict.notice === 'sent'
}

function wantsSuccess(delivery: Delivery, { n, verdict }: RecipientResult): boolean {
  if (verdict.kind !== 'end' || verdict.end !== 'delivered') return false
  const recipient = delivery.recipients.find((each) => each.n === n)
  if (recipient?.notify === undefined) return false
  return wantsNotice(recipient, 'success', delivery.envelope.sender) === 'sent'
}

function failure(
  delivery: Delivery,
  { n, outcome, verdict }: RecipientResult,
  seen: ReadonlyMap<number, Outcome>,
): Reported {
  const last = outcome ?? seen.get(n)
  const reason = verdict.kind === 'end' ? verdict.reason : undefined
  const expired = verdict.kind === 'end' && verdict.end === 'expired'
  return {
    recipient: recipientOf(delivery, n),
    ...(last === undefined ? {} : { outcome: last }),
    action: 'failed',
    ...(reason === undefined ? {} : { reason }),
    ...(expired ? { expired } : {}),
    ...(expired ? doubtOf(delivery) : {}),
  }
}

function doubtOf({ last }: Delivery): Partial<Reported> {
  return last === undefined ? {} : { lastUnknown: true, cutOff: last.kind === 'interrupted' }
}

function recipientOf(delivery: Delivery, n: number): Recipient {
  return delivery.recipients.find((each) => each.n === n)!
}

// Nobody could be told, though somebody should have been.
function untellable(result: RecipientResult): RecipientResult {
  const { verdict } = result
  if (verdict.kind !== 'end' || verdict.notice !== 'sent') return result
  return { ...result, verdict: { ...verdict, notice: 'no route' } }
}

// The same settlement written twice makes the same id, and the second is a no-op.
function noticeId(
  delivery: Delivery,
  kind: NoticeKind,
  recipients: readonly Reported[],
): MessageId {
  const about = recipients.map(({ recipient }) => `${recipient.n}/${recipient.attempts}`)
  return idOf(`${delivery.id} ${kind} ${about.join(' ')}`)
}

function idOf(text: string): MessageId {
  return `N${createHash('sha256').update(text).digest('hex').slice(0, 24)}` as MessageId
}
