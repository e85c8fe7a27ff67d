// The one place where mail can be refused. From what was found, and at which stage of the way,
// to the outcome: pure, and temporary wherever it does not recognise what it sees.

import type { Outcome, Scope, Stage } from '../mail/outcome.ts'
import { classOf } from '../mail/reply.ts'
import type { Reply } from '../mail/reply.ts'

/** How a connection ended without the reply that we waited for. */
export interface Loss {
  /** `closed` by the server, `failed` on the way, `timeout`, `garbled`: no SMTP, `stopped` by us. */
  readonly kind: 'closed' | 'failed' | 'timeout' | 'garbled' | 'stopped'
  /** A sentence for people, without a full stop. */
  readonly text: string
}

/** What names told: each is about a domain, or about a host that a route names. */
export type NameFinding =
  'trouble' | 'no domain' | 'no host' | 'null mx' | 'no address' | 'guarded' | 'loop' | 'no hop'

/** What keeps a message from being offered to a server at all. */
export type Unfit = 'too large' | 'eight bit' | 'utf-8'

export type Found =
  | { readonly kind: 'reply'; readonly stage: Stage; readonly reply: Reply }
  | { readonly kind: 'loss'; readonly stage: Stage; readonly loss: Loss }
  | { readonly kind: 'name'; readonly finding: NameFinding; readonly text: string }
  | { readonly kind: 'unfit'; readonly unfit: Unfit; readonly text: string }

export function judge(found: Found): Outcome {
  switch (found.kind) {
    case 'reply':
      return judgeReply(found.stage, found.reply)
    case 'loss':
      return judgeLoss(found.stage, found.loss)
    case 'name':
      return judgeName(found.finding, found.text)
    case 'unfit':
      return judgeUnfit(found.unfit, found.text)
  }
}

/** One transaction cannot hold more recipients: this one goes on in another (RFC 5321 4.5.3.1.10). */
export function saysTooMany(reply: Reply): boolean {
  const { code, status } = reply
  if (status === undefined) return code === 452 || code === 552
  // x.2.z speaks of this mailbox, which will be as full in the next transaction.
  return status.endsWith('.5.3') || ((code === 452 || code === 552) && status[2] !== '2')
}

const SCOPE_OF = {
  here: 'message',
  dns: 'site',
  connect: 'site',
  greeting: 'site',
  hello: 'site',
  starttls: 'site',
  auth: 'site',
  mail: 'message',
  rcpt: 'recipient',
  data: 'message',
  dot: 'message',
} as const satisfies Record<Stage, Scope>

function judgeReply(stage: Stage, reply: Reply): Outcome {
  // After 421 the server closes: that is no word about one recipient.
  const scope = stage === 'rcpt' && reply.code === 421 ? 'message' : SCOPE_OF[stage]
  const judged = { stage, scope, reply, by: 'server' } as const
  if (stage === 'dot' && classOf(reply) === 'success') return { kind: 'delivered', ...judged }
  return { kind: isFinal(stage, reply) ? 'refused' : 'deferred', ...judged }
}

// A 5yz before MAIL speaks of the host, not of this mail: another host may take it. So does 521
// (RFC 7504), even when every host says it: a server that is being moved says it for an hour.
function isFinal(stage: Stage, reply: Reply): boolean {
  if (classOf(reply) !== 'permanent' || SCOPE_OF[stage] === 'site') return false
  return !(stage === 'rcpt' && (reply.code === 552 || saysTooMany(reply)))
}

function judgeLoss(stage: Stage, loss: Loss): Outcome {
  if (stage === 'dot' && loss.kind === 'garbled') return judgeNonsense(loss)
  const reply = { code: 421, status: statusOfLoss(stage), text: loss.text }
  const kind = stage === 'dot' ? 'unknown' : 'deferred'
  // From MAIL on it may be this message that the server chokes on.
  const scope = SCOPE_OF[stage] === 'site' ? 'site' : 'message'
  return { kind, stage, scope, reply, by: 'relay' }
}

// Who answers the dot with nonsense will do so again, and may take one more copy each time. One is
// enough: the sender is told what was said.
function judgeNonsense({ text }: Loss): Outcome {
  const reply = { code: 554, status: '5.5.0', text: `${text}; it may have taken the message` }
  return { kind: 'refused', stage: 'dot', scope: 'message', reply, by: 'relay' }
}

function statusOfLoss(stage: Stage): string {
  if (stage === 'connect') return '4.4.1'
  if (stage === 'starttls') return '4.7.5'
  return stage === 'auth' ? '4.7.0' : '4.4.2'
}

// A next hop that does not resolve is an operator's slip or a resolver's; mail waits for it.
const NAMES = {
  trouble: [451, '4.4.3'],
  'no hop': [451, '4.4.4'],
  'no domain': [550, '5.1.2'],
  'no host': [550, '5.1.2'],
  'null mx': [556, '5.1.10'],
  'no address': [550, '5.4.4'],
  guarded: [550, '5.4.4'],
  loop: [554, '5.4.6'],
} as const satisfies Record<NameFinding, readonly [code: number, status: string]>

function judgeName(finding: NameFinding, text: string): Outcome {
  const [code, status] = NAMES[finding]
  const kind = code >= 500 ? 'refused' : 'deferred'
  return { kind, stage: 'dns', scope: 'site', reply: { code, status, text }, by: 'relay' }
}

const UNFIT = {
  'too large': [552, '5.3.4'],
  'eight bit': [554, '5.6.3'],
  'utf-8': [553, '5.6.7'],
} as const satisfies Record<Unfit, readonly [code: number, status: string]>

function judgeUnfit(unfit: Unfit, text: string): Outcome {
  const [code, status] = UNFIT[unfit]
  const reply = { code, status, text }
  return { kind: 'refused', stage: 'here', scope: 'message', reply, by: 'relay' }
}
