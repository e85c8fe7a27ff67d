// Mail that comes in: its content, and acceptance. Mail is kept in memory until its first attempt.

import type { Report } from '../../../mail/event.ts'
import type { Answered } from '../../../store/store.ts'
import { acceptedEvent } from '../../events.ts'
import type { FreshMail } from '../../fresh.ts'
import { formatId, parseId } from '../../ids.ts'
import type { Intake, NewMail } from '../../port/intake.ts'
import { QueueError } from '../../port/types.ts'
import type { ContentRef, MessageId } from '../../port/types.ts'
import type { AcceptedRow, MailRow } from '../schema/wire.ts'
import type { Batches, Parcel } from './batch.ts'
import type { Content } from './content.ts'
import type { Disk } from './disk.ts'
import { mailRow } from './rows.ts'

export interface IntakeOptions {
  readonly batches: Batches
  readonly content: Content
  readonly disk: Disk
  readonly fresh: FreshMail<number>
  readonly newNumber: () => number
  readonly report: Report
}

export class SqliteIntake implements Intake {
  #options: IntakeOptions

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  newId(): MessageId {
    return formatId(this.#options.newNumber())
  }

  async store(id: MessageId, chunks: AsyncIterable<Uint8Array> | Uint8Array): Promise<ContentRef> {
    this.#checkSpace()
    const ref = await this.#options.content.store(id, chunks)
    // Small content is written twice: to the log, and from there to the database.
    this.#options.disk.took(ref.bytes === undefined ? ref.size : 2 * ref.size)
    return ref
  }

  discard(content: ContentRef): Promise<void> {
    return this.#options.content.discard(content)
  }

  async accept(mail: NewMail, answered?: Answered): Promise<MessageId> {
    this.#checkSpace()
    const row = mailRow(mail, this.#options.newNumber)
    const [number, alias] = row
    this.#keep(mail)
    try {
      const parcels = parcelsOf([mail], [row])
      const done = await this.#options.batches.call(['accept', row], readAccepted, parcels)
      if (done[1] !== null) answered?.(done[1])
      return formatId(done[0])
    } catch (error) {
      if (alias === null) this.#options.fresh.drop(number)
      throw error
    } finally {
      this.#options.content.accepted(mail.content)
    }
  }

  refuses(): 'full' | undefined {
    return this.#options.disk.isFull ? 'full' : undefined
  }

  /** What the relay writes itself, as rows of a settlement. */
  rowsOf(mails: readonly NewMail[]): MailRow[] {
    const rows = mails.map((mail) => mailRow(mail, this.#options.newNumber))
    for (const mail of mails) this.#keep(mail)
    return rows
  }

  #keep(mail: NewMail): void {
    const number = parseId(mail.id)
    if (number !== undefined) this.#options.fresh.keep(number, mail)
  }

  /**
   * Tells of it, once it is committed: a client's message is told by whoever took it in, nobody else sees what the
   * relay writes itself.
   */
  written(mail: NewMail, number: number): void {
    this.#options.content.accepted(mail.content)
    this.#options.report(acceptedEvent(mail, formatId(number)))
  }

  #checkSpace(): void {
    if (this.refuses() !== undefined)
      throw new QueueError('full', 'Cannot accept: free disk space is under the reserve')
  }
}

function readAccepted(value: unknown): AcceptedRow {
  return value as AcceptedRow
}

export function parcelsOf(mails: readonly NewMail[], rows: readonly MailRow[]) {
  const parcels: Parcel[] = []
  for (const [index, { content }] of mails.entries())
    if (content.bytes !== undefined) parcels.push({ row: rows[index]!, bytes: content.bytes })
  return parcels
}
