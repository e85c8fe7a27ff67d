// How much a notice tells. What servers said of a thousand recipients would fill megabytes, and a
// notice that nobody takes tells nobody: so what is said of each is cut to its share of the room, and
// what finds no room at all is counted.

import { formatAddress } from '../../mail/address.ts'
import type { NoticeReport, Reported } from '../decide/notice-report.ts'

/** Characters for all recipients together, in each of the two parts that name them. */
const ROOM = 256 * 1024
/** However many there are, the words about one are not cut below this. */
const LEAST = 100
/** What is written around the words about one recipient, about. */
const FRAME = 150

export interface Bounded {
  readonly report: NoticeReport
  /** Recipients for whom there was no room. */
  readonly left: number
}

export function boundReport(report: NoticeReport): Bounded {
  const { recipients } = report
  const share = Math.max(LEAST, Math.floor(ROOM / recipients.length) - FRAME)
  const told: Reported[] = []
  let size = 0
  for (const each of recipients) {
    const cut = cutTo(each, share)
    size += sizeOf(cut)
    if (size > ROOM && told.length > 0) break
    told.push(cut)
  }
  return { report: { ...report, recipients: told }, left: recipients.length - told.length }
}

function cutTo(reported: Reported, share: number): Reported {
  const { outcome } = reported
  if (outcome === undefined || outcome.reply.text.length <= share) return reported
  const text = `${outcome.reply.text.slice(0, share)}…`
  return { ...reported, outcome: { ...outcome, reply: { ...outcome.reply, text } } }
}

function sizeOf({ recipient, outcome, reason }: Reported): number {
  const words = (outcome?.reply.text.length ?? 0) + (reason?.length ?? 0)
  const names = 2 * formatAddress(recipient.address).length + (recipient.orcpt?.length ?? 0)
  return FRAME + words + names
}
