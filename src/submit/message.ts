// A message whose content comes: judged by its header, given our fields, and handed to the queue.

import type { Clock } from '../base/clock.ts'
import type { Writable } from '../base/writable.ts'
import type { Address } from '../mail/address.ts'
import type { Submitter } from '../mail/envelope.ts'
import type { Report } from '../mail/event.ts'
import type { ListenRules, Policy } from '../policy/policy.ts'
import type { Intake } from '../queue/port/intake.ts'
import type { ContentRef, MessageId } from '../queue/port/types.ts'
import type { Authors } from './authors.ts'
import type { Head } from './header/head.ts'
import type { MessageFacts } from './mail.ts'
import type { Submission } from './submission.ts'
import type { Refusal } from './verdict.ts'
import { formatDate } from '../mail/date.ts'
import { acceptedEvent } from '../queue/events.ts'
import { QueueError } from '../queue/port/types.ts'
import { domainsOf, readAuthors, authorRefusal } from './authors.ts'
import { fromField, receivedField } from './header/received.ts'
import { newMail } from './mail.ts'
import { lostHeader, REFUSAL } from './refusals.ts'

/** What mail is handed to, by whichever way it comes. */
export interface Reception {
  /** How we call ourselves. */
  readonly hostname: string
  readonly queue: Intake
  readonly report: Report
  readonly clock: Pick<Clock, 'now'>
}

export class Message {
  readonly #reception: Reception
  readonly #policy: Policy
  readonly #submission: Submission
  readonly #tls: string | undefined
  readonly #facts: Writable<MessageFacts>

  /**
   * The policy is the one by which all of its content is judged.
   * @param tls of the connection that it came by: `TLSv1.3 TLS_AES_256_GCM_SHA384`
   */
  constructor(
    reception: Reception,
    policy: Policy,
    submission: Submission,
    submitter: Submitter,
    tls: string | undefined,
  ) {
    this.#reception = reception
    this.#policy = policy
    this.#submission = submission
    this.#tls = tls
    this.#facts = {
      id: reception.queue.newId(),
      at: reception.clock.now(),
      submitter,
      eightBit: false,
      eightBitHead: false,
      fromDomains: [],
      fromUnread: false,
      messageId: undefined,
    }
  }

  get rules(): ListenRules {
    return this.#policy.listen
  }

  /** Loops, what would not arrive as it was meant, and whom it says it is from. */
  objection(head: Head): Refusal | undefined {
    const { hops, missingFrom } = this.rules
    if (head.hops > hops) return REFUSAL.loop
    if (head.lost !== undefined) return lostHeader(head.lost)
    if (head.from.length === 0 && missingFrom === 'refuse') return REFUSAL.noFrom
    const authors = this.#authorsOf(head)
    const facts = this.#facts
    facts.eightBitHead = head.eightBit
    facts.messageId = head.messageId
    facts.fromDomains = domainsOf(authors.from ?? [])
    facts.fromUnread = authors.from === undefined
    return authorRefusal(this.#policy, facts.submitter.user, authors)
  }

  /** The fields that are written on top. */
  prefix(head: Head): string {
    const { id, at, submitter } = this.#facts
    const { hostname } = this.#reception
    const { recipients } = this.#submission
    const recipient = recipients.length === 1 ? recipients[0]!.address : undefined
    const received = receivedField(submitter, { by: hostname, tls: this.#tls, id, recipient, at })
    const date = head.hasDate ? '' : `Date: ${formatDate(head.date ?? at)}\r\n`
    const author = this.#addedAuthor(head)
    const top = received + date + (author === undefined ? '' : fromField(author))
    if (head.messageId !== undefined) return top
    this.#facts.messageId = `<${id}@${hostname}>`
    return `${top}Message-ID: ${this.#facts.messageId}\r\n`
  }

  /** Rejects with `QueueError`. */
  store(chunks: AsyncIterable<Uint8Array> | Uint8Array): Promise<ContentRef> {
    return this.#reception.queue.store(this.#facts.id, chunks)
  }

  /** Durable when it resolves. Rejects with `QueueError`. */
  async accept(content: ContentRef, eightBit: boolean): Promise<MessageId> {
    const { queue, report } = this.#reception
    this.#facts.eightBit = eightBit
    const mail = newMail(this.#submission, this.#facts, content, this.#policy)
    try {
      await queue.accept(mail)
    } catch (error) {
      queue.discard(content).catch(() => {}) // the queue's sweep takes what this leaves
      throw error
    }
    report(acceptedEvent(mail))
    return mail.id
  }

  /** Storage failed: people are told why, the client only that it was so. */
  failed(error: unknown): Refusal {
    const { report, clock } = this.#reception
    report({
      kind: 'note',
      at: clock.now(),
      level: 'error',
      text: `Cannot accept the message ${this.#facts.id}`,
      cause: error instanceof Error ? error.message : String(error),
    })
    const kind = error instanceof QueueError ? error.kind : undefined
    return kind === 'full' ? REFUSAL.full : REFUSAL.failing
  }

  #authorsOf(head: Head): Authors {
    const authors = readAuthors(head)
    const added = this.#addedAuthor(head)
    return added === undefined ? authors : { ...authors, from: [added] }
  }

  /** The sender of the envelope, where the message names no author. */
  #addedAuthor(head: Head): Address | undefined {
    const adds = head.from.length === 0 && this.rules.missingFrom === 'add'
    return adds ? this.#submission.sender : undefined
  }
}
