// The one place where mail can be refused. From what was found, at which stage of the way, and on what
// kind of way, to the outcome: pure, and temporary wherever it does not recognise what it sees.

import { clip } from '../../base/clip.ts'
import type { Outcome, Scope, Stage } from '../../mail/outcome.ts'
import type { Hop } from '../../mail/path.ts'
import { classOf } from '../../mail/reply.ts'
import type { Reply } from '../../mail/reply.ts'
import type { Found, Loss, NameFinding, Unfit } from '../connection.ts'
import { accuses, isTooFast, isTooManyAtOnce, saysTooMany, wantsTls } from './replies.ts'

/** What is known of the way that a reply came over. */
export interface View {
  /** An operator has named the next hop: what it refuses about us waits until that is mended. */
  readonly named: boolean
  /** TLS was tried and did not come about, so we went on in clear. */
  readonly tlsFailed: boolean
  /** Words that refuse us are about this message after all: others have gone through since. */
  readonly aboutMessage?: boolean
}

export function viewOf({ route }: Pick<Hop, 'route'>, tlsFailed = false): View {
  return { named: route.kind === 'hop', tlsFailed }
}

/** Characters of our own sentences: they hold names and certificates of strangers. */
const WORDS = 2000

/** A host that was found by MX. */
export const BY_MX: View = { named: false, tlsFailed: false }

export function judge(found: Found, view: View): Outcome {
  switch (found.kind) {
    case 'reply':
      return judgeReply(found.stage, found.reply, view)
    case 'loss':
      return judgeLoss(found.stage, found.loss)
    case 'name':
      return judgeName(found.finding, found.text)
    case 'unfit':
      return judgeUnfit(found.unfit, found.text)
  }
}

const SCOPE_OF = {
  here: 'message',
  dns: 'site',
  connect: 'site',
  greeting: 'site',
  hello: 'site',
  starttls: 'way',
  auth: 'way',
  mail: 'message',
  rcpt: 'recipient',
  data: 'message',
  dot: 'message',
} as const satisfies Record<Stage, Scope>

function judgeReply(stage: Stage, reply: Reply, view: View): Outcome {
  if (stage === 'dot' && classOf(reply) === 'success')
    return { kind: 'delivered', stage, scope: 'message', reply, by: 'server' }
  const scope = scopeOf(stage, reply, view)
  const kind = isFinal(stage, scope, reply) ? 'refused' : 'deferred'
  return { kind, stage, scope, reply, by: 'server' }
}

/** Whom the reply is about. */
function scopeOf(stage: Stage, reply: Reply, view: View): Scope {
  const usual = SCOPE_OF[stage]
  if (usual === 'site') return usual
  // After 421 the server closes: that is no word about one recipient, one login or one demand.
  if (usual === 'way') return reply.code === 421 ? 'site' : usual
  if (view.tlsFailed && wantsTls(reply)) return 'way'
  if (isTooFast(reply) || isTooManyAtOnce(reply)) return 'site'
  if (view.named) {
    const accusation = accuses(stage, reply)
    if (accusation === 'surely') return 'way'
    if (accusation === 'by its words' && view.aboutMessage !== true) return 'way'
  }
  return reply.code === 421 ? 'message' : usual
}

// A 5yz before MAIL speaks of the host, not of this mail: another host may take it. So does 521
// (RFC 7504), even when every host says it: a server that is being moved says it for an hour.
function isFinal(stage: Stage, scope: Scope, reply: Reply): boolean {
  if (classOf(reply) !== 'permanent' || scope === 'site' || scope === 'way') return false
  return !(stage === 'rcpt' && (reply.code === 552 || saysTooMany(reply)))
}

function judgeLoss(stage: Stage, loss: Loss): Outcome {
  if (stage === 'dot' && loss.kind === 'garbled') return judgeNonsense(loss)
  const reply = { code: 421, status: statusOfLoss(stage), text: clip(loss.text, WORDS) }
  const kind = stage === 'dot' ? 'unknown' : 'deferred'
  const usual = SCOPE_OF[stage]
  // From MAIL on it may be this message that the server chokes on.
  const scope = usual === 'recipient' ? 'message' : usual
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

// A next hop that does not resolve, or that no rule names, is an operator's slip or a resolver's; mail waits.
const NAMES = {
  trouble: [451, '4.4.3'],
  'no hop': [451, '4.4.4'],
  'no path': [451, '4.4.4'],
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
  return {
    kind,
    stage: 'dns',
    scope: 'site',
    reply: { code, status, text: clip(text, WORDS) },
    by: 'relay',
  }
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
