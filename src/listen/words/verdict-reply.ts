// What becomes of mail, in the words of SMTP: the only place where a verdict turns into a reply.

import type { About, Refusal } from '../../submit/verdict.ts'
import type { MessageId } from '../../queue/port/types.ts'
import type { ReplyLine } from './reply.ts'
import { reply } from './reply.ts'

/** RFC 5321 4.2.3, RFC 4954 6 and RFC 3207 4. */
const CODES: Readonly<Record<About, number>> = {
  relaying: 550,
  sender: 550,
  route: 550,
  tls: 530,
  auth: 530,
  size: 552,
  recipients: 452,
  content: 554,
  loop: 554,
  space: 452,
  storage: 451,
}

export function acceptedReply(id: MessageId): ReplyLine {
  return reply(250, '2.0.0', `queued as ${id}`)
}

export function refusedReply({ about, status, text }: Refusal): ReplyLine {
  return reply(CODES[about], status, text)
}
