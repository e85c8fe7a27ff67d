// Content on its way in: measured, its line ends made CRLF, judged by its header, given our
// fields, and handed to the queue. Small content is one piece of memory; larger content streams
// to storage while it comes. Whatever is wrong is kept until the client has sent all of it.

import { isAscii } from 'node:buffer'
import type { Address, Domain } from '../mail/address.ts'
import type { Policy } from '../policy/policy.ts'
import type { ContentRef, MessageId } from '../queue/port.ts'
import type { Head } from './head.ts'
import type { Client, ListenParts, Transaction } from './parts.ts'
import type { ReplyLine } from './reply.ts'
import { formatAddress } from '../mail/address.ts'
import { QueueError } from '../queue/port.ts'
import { Flow } from './flow.ts'
import { readHead } from './head.ts'
import { LineEnds } from './line-ends.ts'
import { newMail } from './mail.ts'
import { readMailboxes } from './mailboxes.ts'
import { formatDate, receivedField } from './received.ts'
import { SAY } from './reply.ts'

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
    return flow.push(this.#compose(head, start))
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
    return this.#parts.queue.store(this.#id, this.#compose(head, content))
  }

  async #accept(content: ContentRef): Promise<Result> {
    const facts = {
      eightBit: this.#eightBit,
      eightBitHead: this.#head?.eightBit === true,
      fromDomains: domainsOf(this.#from),
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

  // Loops, and whom it says it is from.
  #judge(head: Head): boolean {
    this.#head = head
    this.#messageId = head.messageId
    if (head.hops > this.#policy.listen.hops) return !this.#refuse(SAY.loop)
    const authors = readAll(head.from)
    this.#from = authors ?? []
    const { user } = this.#client
    if (user === undefined) return true
    return this.#mayWrite(user, authors, readAll(head.sender))
  }

  // An author that cannot be read is none that a user with a list of senders may use.
  #mayWrite(user: string, from?: readonly Address[], sender?: readonly Address[]): boolean {
    const known = this.#policy.user(user)
    const all = from === undefined || sender === undefined ? undefined : [...from, ...sender]
    if (all === undefined && known?.senders !== undefined)
      return !this.#refuse(SAY.authorRefused, known.at)
    for (const address of all ?? []) {
      const verdict = this.#policy.maySend(user, address)
      if (!verdict.allowed) return !this.#refuse(SAY.authorRefused, verdict.at)
    }
    return true
  }

  /** The content as it is stored: our fields on top, without those that must go. */
  #compose(head: Head, content: Buffer): Buffer {
    const prefix = this.#prefix(head)
    const gap = head.separated ? '' : '\r\n'
    let size = prefix.length + gap.length + content.length
    for (let n = 0; n < head.cuts.length; n += 2) size -= head.cuts[n + 1]! - head.cuts[n]!
    // Of its own memory, not Node's shared pool: what crosses to a thread is this and no more.
    const out = Buffer.allocUnsafeSlow(size)
    let at = out.write(prefix, 0, 'latin1')
    let from = 0
    for (let n = 0; n < head.cuts.length; n += 2) {
      at += content.copy(out, at, from, head.cuts[n])
      from = head.cuts[n + 1]!
    }
    at += content.copy(out, at, from, head.end)
    at += out.write(gap, at, 'latin1')
    content.copy(out, at, head.end)
    return out
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
    const date = head.hasDate ? '' : `Date: ${formatDate(this.#at)}\r\n`
    if (head.messageId !== undefined) return received + date
    this.#messageId = `<${this.#id}@${this.#parts.hostname}>`
    return `${received}${date}Message-ID: ${this.#messageId}\r\n`
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

// `undefined` when one of the fields cannot be read.
function readAll(bodies: readonly string[]): readonly Address[] | undefined {
  if (bodies.length === 1) return readMailboxes(bodies[0]!)
  const all: Address[] = []
  for (const body of bodies) {
    const addresses = readMailboxes(body)
    if (addresses === undefined) return undefined
    all.push(...addresses)
  }
  return all
}

function domainsOf(authors: readonly Address[]): Domain[] {
  if (authors.length === 1) return [authors[0]!.domain]
  return [...new Set(authors.map((author) => author.domain))]
}
