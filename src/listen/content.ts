// Content on its way in: measured, its line ends made CRLF, judged by its header, given our
// fields, and handed to the queue. Small content is one piece of memory; larger content streams
// to storage while it comes. Whatever is wrong is kept until the client has sent all of it.

import { isAscii } from 'node:buffer'
import type { Address } from '../mail/address.ts'
import type { Policy } from '../policy/policy.ts'
import { QueueError } from '../queue/port/types.ts'
import type { ContentRef, MessageId } from '../queue/port/types.ts'
import type { Authors } from '../submit/authors.ts'
import type { Head } from '../submit/header/head.ts'
import type { Client, ListenParts } from './parts.ts'
import type { ReplyLine } from './reply.ts'
import type { Transaction } from './transaction.ts'
import { formatAddress } from '../mail/address.ts'
import { domainsOf, readAuthors, ruleAgainst } from '../submit/authors.ts'
import { compose } from '../submit/header/compose.ts'
import { Flow } from '../submit/flow.ts'
import { readHead } from '../submit/header/head.ts'
import { LineEnds } from '../smtp/line-ends.ts'
import { newMail } from './mail.ts'
import { formatDate, fromField, receivedField } from '../submit/header/received.ts'
import { lostHeader, SAY } from './reply.ts'

/** Up to here content stays in memory, and a header has to end. */
const SMALL = 256 * 1024
/** Pieces are joined when there are more, so that single bytes cost no more than many. */
const MOST_PIECES = 32

export interface Refusal {
  readonly reply: ReplyLine
  readonly rule?: string
}

export type Result =
  | { readonly kind: 'accepted'; readonly id: MessageId }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export class Content {
  readonly #parts: ListenParts
  readonly #policy: Policy
  readonly #client: Client
  readonly #transaction: Transaction
  readonly #onRoom: () => void
  readonly #id: MessageId
  readonly #at: number
  readonly #lineEnds = new LineEnds()
  #pieces: Buffer[] = []
  #kept = 0
  #received = 0
  #eightBit = false
  #head: Head | undefined
  #from: readonly Address[] = []
  #fromUnread = false
  #messageId: string | undefined
  #refusal: Refusal | undefined
  #flow: Flow | undefined
  #stored: Promise<ContentRef> | undefined

  constructor(
    parts: ListenParts,
    policy: Policy,
    client: Client,
    transaction: Transaction,
    onRoom: () => void,
  ) {
    this.#parts = parts
    this.#policy = policy
    this.#client = client
    this.#transaction = transaction
    this.#onRoom = onRoom
    this.#id = parts.queue.newId()
    this.#at = parts.clock.now()
  }

  /** Nothing that still comes can save it. */
  get refused(): boolean {
    return this.#refusal !== undefined
  }

  /** False: storage is behind, wait for room. */
  push(chunk: Buffer): boolean {
    if (this.#refusal !== undefined) return true
    this.#received += chunk.length
    if (this.#received > this.#policy.listen.size) return this.#refuse(SAY.tooBig)
    const piece = this.#lineEnds.take(chunk)
    if (this.#lineEnds.bare && this.#policy.listen.bareLineEnds === 'refuse')
      return this.#refuse(SAY.bareLineEnds)
    if (!this.#eightBit) this.#eightBit = !isAscii(piece)
    return this.#keep(piece)
  }

  /** All of it has come. Never rejects. */
  async finish(): Promise<Result> {
    const last = this.#refusal === undefined ? this.#lineEnds.end() : undefined
    if (last !== undefined) this.#keep(last)
    if (this.#lineEnds.bare && this.#policy.listen.bareLineEnds === 'refuse')
      this.#refuse(SAY.bareLineEnds)
    try {
      const stored = await this.#store()
      return stored === undefined ? this.#refused() : await this.#accept(stored)
    } catch (error) {
      this.#fail(error)
      return this.#refused()
    }
  }

  /** The client is gone, or took too long. */
  abort(reason: string): void {
    this.#refusal ??= { reply: SAY.failing }
    this.#pieces = []
    this.#flow?.fail(new Error(reason))
  }

  #refused(): Result {
    return { kind: 'refused', refusal: this.#refusal ?? { reply: SAY.failing } }
  }

  #refuse(reply: ReplyLine, rule?: string): true {
    this.#refusal ??= rule === undefined ? { reply } : { reply, rule }
    this.#pieces = []
    this.#flow?.fail(new Error('The message was refused'))
    return true
  }

  #keep(piece: Buffer): boolean {
    if (piece.length === 0) return true // a lone CR may be held back
    if (this.#flow !== undefined) return this.#flow.push(piece)
    this.#pieces.push(piece)
    this.#kept += piece.length
    if (this.#kept > SMALL) return this.#startFlow()
    if (this.#pieces.length > MOST_PIECES) this.#pieces = [Buffer.concat(this.#pieces)]
    return true
  }

  #startFlow(): boolean {
    const start = this.#join()
    const head = readHead(start)
    if (head.end === start.length) return this.#refuse(SAY.headerTooBig)
    if (!this.#judge(head)) return true
    const flow = new Flow(this.#onRoom)
    this.#flow = flow
    this.#stored = this.#parts.queue.store(this.#id, flow)
    // Told when the client has sent all; until then the rest is read and dropped.
    this.#stored.catch((error: unknown) => this.#fail(error))
    return flow.push(compose(head, start, this.#prefix(head)))
  }

  #join(): Buffer {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  #store(): Promise<ContentRef> | undefined {
    if (this.#refusal !== undefined) return undefined
    if (this.#stored !== undefined) {
      this.#flow?.end()
      return this.#stored
    }
    const content = this.#join()
    const head = readHead(content)
    if (!this.#judge(head)) return undefined
    return this.#parts.queue.store(this.#id, compose(head, content, this.#prefix(head)))
  }

  async #accept(content: ContentRef): Promise<Result> {
    const facts = {
      eightBit: this.#eightBit,
      eightBitHead: this.#head?.eightBit === true,
      fromDomains: domainsOf(this.#from),
      fromUnread: this.#fromUnread,
      messageId: this.#messageId,
    }
    const [id, at, policy] = [this.#id, this.#at, this.#policy]
    const mail = newMail(id, at, this.#transaction, this.#client, facts, content, policy)
    try {
      await this.#parts.queue.accept(mail)
    } catch (error) {
      this.#parts.queue.discard(content).catch(() => {}) // the queue's sweep takes what this leaves
      throw error
    }
    this.#report(content.size)
    return { kind: 'accepted', id }
  }

  // Loops, what would not arrive as it was meant, and whom it says it is from.
  #judge(head: Head): boolean {
    this.#head = head
    this.#messageId = head.messageId
    if (head.hops > this.#policy.listen.hops) return !this.#refuse(SAY.loop)
    if (head.lost !== undefined) return !this.#refuse(lostHeader(head.lost))
    if (head.from.length === 0 && this.#policy.listen.missingFrom === 'refuse')
      return !this.#refuse(SAY.noFrom)
    const authors = this.#authorsOf(head)
    this.#from = authors.from ?? []
    this.#fromUnread = authors.from === undefined
    const against = ruleAgainst(this.#policy, this.#client.user, authors)
    return against === undefined || !this.#refuse(SAY[against.why], against.at)
  }

  #authorsOf(head: Head): Authors {
    const authors = readAuthors(head)
    const added = this.#addedAuthor(head)
    return added === undefined ? authors : { ...authors, from: [added] }
  }

  /** The sender of the envelope, where the message names no author. */
  #addedAuthor(head: Head): Address | undefined {
    const adds = head.from.length === 0 && this.#policy.listen.missingFrom === 'add'
    return adds ? this.#transaction.sender : undefined
  }

  #prefix(head: Head): string {
    const { recipients } = this.#transaction
    const received = receivedField({
      hello: this.#client.hello,
      client: this.#client.address,
      by: this.#parts.hostname,
      protocol: this.#client.protocol,
      tls: this.#client.tls,
      id: this.#id,
      recipient: recipients.length === 1 ? recipients[0]!.address : undefined,
      at: this.#at,
    })
    const date = head.hasDate ? '' : `Date: ${formatDate(head.date ?? this.#at)}\r\n`
    const author = this.#addedAuthor(head)
    const top = received + date + (author === undefined ? '' : fromField(author))
    if (head.messageId !== undefined) return top
    this.#messageId = `<${this.#id}@${this.#parts.hostname}>`
    return `${top}Message-ID: ${this.#messageId}\r\n`
  }

  #fail(error: unknown): void {
    if (this.#refusal !== undefined) return // we ended it ourselves, or have said so
    const kind = error instanceof QueueError ? error.kind : undefined
    this.#refusal = { reply: kind === 'full' ? SAY.full : SAY.failing }
    this.#parts.report({
      kind: 'note',
      at: this.#parts.clock.now(),
      level: 'error',
      text: `Cannot accept the message ${this.#id}`,
      cause: error instanceof Error ? error.message : String(error),
    })
  }

  #report(bytes: number): void {
    const { sender, recipients } = this.#transaction
    const { address, user, protocol, rule } = this.#client
    this.#parts.report({
      kind: 'accepted',
      at: this.#at,
      id: this.#id,
      from: sender === undefined ? '<>' : formatAddress(sender),
      to: recipients.map((recipient) => formatAddress(recipient.address)),
      bytes,
      client: address,
      ...(user === undefined ? {} : { user }),
      protocol,
      rule,
    })
  }
}
