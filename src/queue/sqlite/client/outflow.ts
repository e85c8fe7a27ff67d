// Mail that goes out: leases of lanes, deliveries, and what becomes of them.

import type { Destination } from '../../../mail/destination.ts'
import type { Answered } from '../../../store/store.ts'
import type { FreshMail } from '../../fresh.ts'
import type {
  Delivery,
  Lease,
  Outflow,
  Settlement,
  Taken,
  TroubleFacts,
} from '../../port/outflow.ts'
import type { ContentRef } from '../../port/types.ts'
import { freshDelivery } from '../../settled.ts'
import type { LeaseRow, LoadedRow, SettledRow, TakenRow } from '../schema/wire.ts'
import type { Batches } from './batch.ts'
import type { Content } from './content.ts'
import { parcelsOf } from './intake.ts'
import type { SqliteIntake } from './intake.ts'
import { loadedDelivery, settleRow } from './rows.ts'
import type { ReaderThread } from './threads.ts'

export interface OutflowOptions {
  readonly batches: Batches
  readonly content: Content
  readonly reader: ReaderThread
  readonly fresh: FreshMail<number>
  /** Of the notices that outcomes bring. */
  readonly intake: SqliteIntake
}

const nothing = (): void => {}

export class SqliteOutflow implements Outflow {
  /** Called when a lane may have new work. */
  readonly wakers: (() => void)[] = []
  #options: OutflowOptions
  #leases = 0

  constructor(options: OutflowOptions) {
    this.#options = options
  }

  get leases(): number {
    return this.#leases
  }

  claim(count: number): Promise<Lease[]> {
    return this.#options.batches.call(['claim', count], (value) => {
      const rows = value as LeaseRow[]
      this.#leases += rows.length
      return rows.map(([id, lane, priority, until]) => {
        return { id, lane: lane as Destination, priority, until }
      })
    })
  }

  full(lanes: readonly Destination[], full: boolean): void {
    this.#options.batches.call(['full', lanes, full], nothing).catch(nothing)
  }

  nextDue(): Promise<number | undefined> {
    return this.#options.batches.call(['nextDue'], (value) => (value as number | null) ?? undefined)
  }

  onWake(listener: () => void): void {
    this.wakers.push(listener)
  }

  renew(leases: readonly Lease[]): Promise<void> {
    const ids = leases.map(({ id }) => id)
    return this.#options.batches.call(['renew', ids], nothing)
  }

  release(lease: Lease): Promise<void> {
    this.#leases--
    return this.#options.batches.call(['release', lease.id], nothing)
  }

  take(lease: Lease): Promise<Taken> {
    return this.#options.batches.call(['take', lease.id], (value) =>
      this.#taken(value as TakenRow, lease),
    )
  }

  settle(
    delivery: Delivery,
    settlement: Settlement,
    next?: Lease,
    answered?: Answered,
  ): Promise<Taken | undefined> {
    const { intake, batches } = this.#options
    const notices = settlement.notices ?? []
    const rows = intake.rowsOf(notices)
    const row = settleRow(delivery, settlement, rows, next?.id ?? null)
    return batches.call(
      ['settle', row],
      (value) => {
        for (const [index, notice] of notices.entries()) intake.written(notice, rows[index]![0])
        const [taken, answers] = value as SettledRow
        if (answers !== null) answered?.(answers)
        return next === undefined ? undefined : this.#taken(taken!, next)
      },
      parcelsOf(notices, rows),
    )
  }

  overdue(kind: 'expire' | 'warn' | 'refuse', count: number): Promise<Delivery[]> {
    return this.#options.batches.call(['overdue', kind, count], (value) =>
      (value as LoadedRow[]).map(loadedDelivery),
    )
  }

  suspend(
    lanes: readonly Destination[],
    site: string | undefined,
    until: number,
    reason: string,
    about: TroubleFacts = {},
  ): Promise<void> {
    return this.#options.batches.call(
      ['suspend', lanes, site ?? null, until, reason, about],
      nothing,
    )
  }

  async *content({ key, bytes }: ContentRef): AsyncGenerator<Uint8Array> {
    const small = bytes ?? (await this.#options.reader.bytes(key))
    if (small !== undefined) yield small
    else yield* this.#options.content.read(key)
  }

  #taken(row: TakenRow, { id: lease }: Lease): Taken | Promise<Taken> {
    switch (row[0]) {
      case 'idle':
        return { kind: 'idle', until: row[1] ?? undefined }
      case 'loaded':
        return { kind: 'delivery', delivery: { ...loadedDelivery(row[1]), lease } }
      case 'fresh':
        return this.#freshly(row[1], row[2], lease)
    }
  }

  #freshly(message: number, n: number, lease: string): Taken | Promise<Taken> {
    const mail = this.#options.fresh.take(message)
    if (mail !== undefined) return { kind: 'delivery', delivery: freshDelivery(mail, n, lease) }
    return this.#options.batches.call(['load', message, n], (value) => {
      return { kind: 'delivery', delivery: { ...loadedDelivery(value as LoadedRow), lease } }
    })
  }
}
