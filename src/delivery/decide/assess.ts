// What one transaction comes to: the outcome of each recipient, and whether the site or the way there is
// in trouble. Here a reply meets what is known of the way: see judge.ts for what it means alone.

import type { Outcome } from '../../mail/outcome.ts'
import { classOf, formatReply } from '../../mail/reply.ts'
import { judge } from './judge.ts'
import type { View } from './judge.ts'
import type { Found, Transaction, TransactionResult } from '../connection.ts'
import { accuses, isTooFast, refusesNumber, wantsTls } from './replies.ts'
import type { Weighed } from '../trouble/way.ts'

export interface Assessed {
  readonly outcomes: Map<number, Outcome>
  /** Trouble of the site or of the way: no attempt of anybody's. */
  readonly trouble?: Outcome
  /** Its words alone say so, or several in a row that ended alike: another message shows it. */
  readonly isByWords?: boolean
  readonly isAlike?: boolean
  /** It is not known whether a refusal is of us: asked again soon, over a fresh connection. */
  readonly askAgain?: boolean
}

/**
 * @param weigh asked of a refusal whose words alone speak of us
 */
export function assess(
  { found, later }: TransactionResult,
  view: View,
  weigh: (outcome: Outcome) => Weighed,
): Assessed {
  const outcomes = judgeAll(found, view)
  const words = view.named ? find(outcomes, (outcome) => isByWords(outcome, view)) : undefined
  if (words === undefined) return withTrouble(outcomes)
  const weighed = isMet(words, outcomes, later) ? weigh(words) : 'message'
  if (weighed === 'message') return withTrouble(judgeAll(found, { ...view, aboutMessage: true }))
  return weighed === 'us'
    ? { ...withTrouble(outcomes), isByWords: true }
    : { outcomes, askAgain: true }
}

// What many recipients have in common, the reply to the dot as a rule, is judged once.
function judgeAll(found: ReadonlyMap<number, Found>, view: View): Map<number, Outcome> {
  const outcomes = new Map<number, Outcome>()
  let last: Found | undefined
  let judged: Outcome | undefined
  for (const [n, one] of found) {
    if (one !== last || judged === undefined) judged = judge(one, view)
    last = one
    outcomes.set(n, judged)
  }
  return outcomes
}

function find(
  outcomes: ReadonlyMap<number, Outcome>,
  is: (outcome: Outcome) => boolean,
): Outcome | undefined {
  for (const outcome of outcomes.values()) if (is(outcome)) return outcome
  return undefined
}

function withTrouble(outcomes: Map<number, Outcome>): Assessed {
  const trouble = find(outcomes, isTrouble)
  return trouble === undefined ? { outcomes } : { outcomes, trouble }
}

function isTrouble({ kind, scope }: Outcome): boolean {
  return kind === 'deferred' && (scope === 'site' || scope === 'way')
}

function isByWords({ scope, by, stage, reply }: Outcome, { tlsFailed }: View): boolean {
  if (scope !== 'way' || by !== 'server' || (tlsFailed && wantsTls(reply))) return false
  return accuses(stage, reply) === 'by its words'
}

/** A recipient who is refused so while others are taken is alone in it. */
function isMet(
  { stage }: Outcome,
  outcomes: ReadonlyMap<number, Outcome>,
  later: readonly number[],
): boolean {
  if (stage !== 'rcpt') return true
  return later.length === 0 && [...outcomes.values()].every((other) => other.stage === 'rcpt')
}

/**
 * What a connection may have refused because of what it carried before, in words that are the same for
 * each message; `undefined`: it was about something else. Servers end a session's messages with 452 or 450
 * at MAIL (OpenSMTPD), at DATA (stalwart) or at every RCPT (Haraka's `limit`).
 */
export function ofConnection(
  { found }: TransactionResult,
  { recipients }: Transaction,
): string | undefined {
  const [first] = found.values()
  if (first?.kind !== 'reply' || found.size < recipients.length) return undefined
  const { stage } = first
  if (stage !== 'mail' && stage !== 'rcpt' && stage !== 'data') return undefined
  const isAlike = [...found.values()].every((one) => one.kind === 'reply' && one.stage === stage)
  if (!isAlike || !isLimit(first)) return undefined
  return `${stage} ${wordsOf(first)}`
}

function isLimit({ reply }: Extract<Found, { kind: 'reply' }>): boolean {
  if (reply.code === 421 || isTooFast(reply)) return false
  // x.1.z and x.2.z are about an address or a mailbox.
  const isAboutAddress = reply.status?.[2] === '1' || reply.status?.[2] === '2'
  if (isAboutAddress) return false
  return classOf(reply) === 'temporary' || refusesNumber(reply)
}

/** A reply without what differs from message to message: addresses, ids, numbers. */
export function wordsOf({ reply }: Pick<Outcome, 'reply'>): string {
  return formatReply(reply)
    .replaceAll(/<[^>]*>|\S*@\S*|\[[^\]]*\]/g, '…')
    .replaceAll(/(?<!^)(?<![.\d])\b\w*\d\w*\b(?![.\d])/g, '#')
    .slice(0, 80)
}
