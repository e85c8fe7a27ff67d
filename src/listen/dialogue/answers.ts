// What a client is answered, and what each answer counts for: mistakes, commands that bring no mail
// and recipients beyond the limit come to an end, and whoever gets there is hung up on. What is
// refused of mail is told as an event, too.

import type { Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import type { At, Policy } from '../../policy/policy.ts'
import type { MessageId } from '../../queue/port/types.ts'
import type { Submission } from '../../submit/submission.ts'
import type { Refusal } from '../../submit/verdict.ts'
import type { ReplyLine } from '../words/reply.ts'
import type { Client } from './client.ts'
import type { Wire } from './wire.ts'
import { refusedEvent } from '../../submit/events.ts'
import { Manners } from '../door/manners.ts'
import { SAY, textOf } from '../words/reply.ts'
import { acceptedReply, refusedReply } from '../words/verdict-reply.ts'
import { Refusals } from './refusals.ts'

export interface AnswersParts {
  readonly policy: () => Policy
  readonly report: Report
  readonly clock: Pick<Clock, 'now'>
}

export class Answers {
  readonly #parts: AnswersParts
  readonly #wire: Pick<Wire, 'say' | 'hangUpLate'>
  readonly #client: Pick<Client, 'address' | 'user' | 'maySend'>
  readonly #manners = new Manners()
  readonly #refusals: Refusals

  constructor(
    parts: AnswersParts,
    wire: Pick<Wire, 'say' | 'hangUpLate'>,
    client: Pick<Client, 'address' | 'user' | 'maySend'>,
  ) {
    this.#parts = parts
    this.#wire = wire
    this.#client = client
    this.#refusals = new Refusals(parts.report)
  }

  /** To what leads to mail. */
  good(line: ReplyLine): void {
    this.#wire.say(line)
  }

  /** To what is right and brings no mail. */
  idle(line: ReplyLine): void {
    this.#say(line, this.#manners.idle(this.#client.maySend), SAY.tooManyCommands)
  }

  /** To a mistake. */
  wrong(line: ReplyLine): void {
    this.#say(line, this.#manners.mistake(), SAY.tooManyErrors)
  }

  /** To a recipient that adds none. A list may have many, and the message behind it is wanted. */
  extra(line: ReplyLine): void {
    const { recipients } = this.#parts.policy().listen
    this.#say(line, this.#manners.extraRecipient(recipients), SAY.tooManyCommands)
  }

  /** True: there were too many of them, and the client is hung up on. */
  smallChunk(): boolean {
    const isEnough = this.#manners.smallChunk()
    if (isEnough) this.#wire.hangUpLate(SAY.tooManyCommands)
    return isEnough
  }

  failedLogin(line: ReplyLine): void {
    this.#say(line, this.#manners.failedLogin(), line + SAY.tooManyGuesses)
  }

  accepted(id: MessageId): void {
    this.#manners.forgive()
    this.#refusals.flush()
    this.good(acceptedReply(id))
  }

  /** `submission`: what it was said of. */
  refused(command: string, refusal: Refusal, submission: Submission | undefined): void {
    const line = refusedReply(refusal)
    this.#tell(command, line, refusal.rule, submission)
    // Storage is not the client's mistake.
    if (refusal.about === 'space' || refusal.about === 'storage') this.idle(line)
    else this.wrong(line)
  }

  refusedExtra(command: string, refusal: Refusal, submission: Submission): void {
    const line = refusedReply(refusal)
    this.#tell(command, line, refusal.rule, submission)
    this.extra(line)
  }

  /** The command cannot be read. */
  misread(command: string, line: ReplyLine, submission: Submission | undefined): void {
    this.#tell(command, line, undefined, submission)
    this.wrong(line)
  }

  /** The client is gone. */
  end(): void {
    this.#refusals.flush()
  }

  #say(line: ReplyLine, isEnough: boolean, lastWord: ReplyLine): void {
    if (isEnough) this.#wire.hangUpLate(lastWord)
    else this.#wire.say(line)
  }

  #tell(
    command: string,
    line: ReplyLine,
    rule: At | undefined,
    submission: Submission | undefined,
  ): void {
    const at = this.#parts.clock.now()
    const { address: client, user } = this.#client
    const denial = { at, client, user, command, reply: textOf(line), rule }
    this.#refusals.add(refusedEvent(denial, submission))
  }
}
