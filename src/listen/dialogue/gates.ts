// Which command may come when (RFC 5321 4.1.4): what each needs, in the order in which it is asked
// for, and what is said where that is missing.

import type { Submission } from '../../submit/submission.ts'
import type { Hello } from '../words/hello.ts'
import type { ReplyLine } from '../words/reply.ts'
import type { Transfer } from './transfer.ts'
import type { Wire } from './wire.ts'
import { SAY } from '../words/reply.ts'

/** How far a conversation has come. */
export interface State {
  readonly wire: Pick<Wire, 'secure'>
  readonly transfer: Pick<Transfer, 'chunked' | 'failed'>
  readonly hasTls: () => boolean
  hello: Hello | undefined
  /** The transaction, from MAIL on. */
  mail: Submission | undefined
  /** It would have recipients, had none been refused. */
  refusedRecipients: boolean
}

/** What to say where it is missing; `rest` is what stands behind the verb. */
type Need = (state: State, rest: string) => ReplyLine | undefined

export interface Gate {
  readonly needs: readonly Need[]
  /** A rule has to let the client send, too. It is asked each time, since it may have changed. */
  readonly right?: true
}

const alone: Need = (_, rest) => (rest === '' ? undefined : SAY.badArguments)
const argument: Need = (_, rest) => (rest === '' ? SAY.badArguments : undefined)
const hello: Need = (state) => (state.hello === undefined ? SAY.helloFirst : undefined)
const clear: Need = ({ wire }) => (wire.secure ? SAY.tlsActive : undefined)
const certificate: Need = ({ hasTls }) => (hasTls() ? undefined : SAY.noTls)
const sender: Need = ({ mail }) => (mail === undefined ? SAY.senderFirst : undefined)
const noSender = (say: ReplyLine): Need => {
  return ({ mail }) => (mail === undefined ? undefined : say)
}
const noChunk = (say: ReplyLine): Need => {
  return ({ transfer }) => (transfer.chunked ? say : undefined)
}
const noFailure: Need = ({ transfer }) => (transfer.failed ? SAY.outOfOrder : undefined)
const recipients: Need = ({ mail, refusedRecipients }) => {
  if (mail !== undefined && mail.recipients.length > 0) return undefined
  return refusedRecipients ? SAY.noRecipients : SAY.recipientFirst
}

/** Commands that are not here may come at any time. */
const GATES: ReadonlyMap<string, Gate> = new Map<string, Gate>([
  ['MAIL', { needs: [hello, noSender(SAY.senderTwice)], right: true }],
  ['RCPT', { needs: [sender, noChunk(SAY.outOfOrder)], right: true }],
  ['DATA', { needs: [alone, sender, noChunk(SAY.mixedContent), recipients], right: true }],
  ['STARTTLS', { needs: [alone, clear, certificate] }],
  ['AUTH', { needs: [hello, noSender(SAY.loginInTransaction)] }],
  ['RSET', { needs: [alone] }],
  ['QUIT', { needs: [alone] }],
  ['VRFY', { needs: [argument] }],
])

/** Of the chunk behind a BDAT, which has to be read in any case; only the first needs a right. */
const FIRST_CHUNK: Gate = { needs: [sender, noFailure, recipients], right: true }
const CHUNK: Gate = { needs: FIRST_CHUNK.needs }

export function gateOf(verb: string): Gate | undefined {
  return GATES.get(verb)
}

export function gateOfChunk({ transfer }: State): Gate {
  return transfer.chunked ? CHUNK : FIRST_CHUNK
}

/** The first that is missing. */
export function missingAt(gate: Gate, state: State, rest: string): ReplyLine | undefined {
  for (const need of gate.needs) {
    const missing = need(state, rest)
    if (missing !== undefined) return missing
  }
  return undefined
}
