// One recipient as a row of the store, and as admins see it.

import type { Destination } from '../../../mail/destination.ts'
import { ENDS } from '../../../mail/outcome.ts'
import type { State } from '../../../mail/outcome.ts'
import { parseScope } from '../../holds.ts'
import type { HoldNote } from '../../holds.ts'
import { formatDeliveryId, formatId } from '../../ids.ts'
import type { Entry, Held } from '../../port/reader.ts'
import type { OperatorAct } from '../../port/types.ts'
import { FATES } from '../schema/wire.ts'

export type EntryRow = readonly [
  message: number,
  n: number,
  delivery: number,
  sender: string,
  address: string,
  domain: string,
  queue: string,
  destination: string,
  at: number,
  ended: number | null,
  endedAt: number | null,
  attempts: number,
  due: number,
  reply: string | null,
  size: number,
  notice: number | null,
  state: number | null,
  hold: string | null,
  scope: string | null,
]

export const ENTRY_COLUMNS = `r.message, r.n, r.delivery, m.sender, r.address, r.domain, r.queue,
  coalesce(r.destination, r.domain), m.at, r.ended, r.ended_at, r.attempts, r.due, r.reply, m.size,
  r.notice, d.state, d.hold, d.scope`

export function stateOf(row: EntryRow): State {
  const [ended, state] = [row[9], row[16]]
  if (ended !== null) return ENDS[ended]!
  return state === 2 ? 'held' : state === 1 || state === 4 ? 'sending' : 'waiting'
}

export function entryOf(row: EntryRow): Entry {
  const [message, n, delivery, from, to, , queue, destination, acceptedAt] = row
  const [endedAt, attempts, due, reply, size, notice, , hold, scope] = row.slice(10) as Tail
  const state = stateOf(row)
  const isRefused = state === 'waiting' && scope === 'refuse'
  const waits = (state === 'waiting' && !isRefused) || state === 'sending'
  return {
    id: formatId(message),
    delivery: formatDeliveryId(message, delivery),
    n,
    state,
    from,
    to,
    queue,
    destination: destination as Destination,
    acceptedAt,
    attempts,
    size,
    ...(endedAt === null ? {} : { endedAt }),
    ...(waits ? { next: due } : {}),
    ...(reply === null ? {} : { reply }),
    ...(notice === null ? {} : { notice: FATES[notice]! }),
    ...(state === 'held' && hold !== null ? { held: heldOf(hold, scope) } : {}),
    ...(isRefused ? { refused: refusedOf(hold!) } : {}),
  }
}

function heldOf(hold: string, scope: string | null): Held {
  const { who, why, at } = JSON.parse(hold) as HoldNote
  return {
    who,
    why,
    ...(scope === null || scope === 'ids' ? {} : { scope: parseScope(scope) }),
    ...(at === undefined ? {} : { since: at }),
  }
}

function refusedOf(hold: string): OperatorAct {
  const { who, why } = JSON.parse(hold) as OperatorAct
  return { who, why }
}

type Tail = [
  number | null,
  number,
  number,
  string | null,
  number,
  number | null,
  number | null,
  string | null,
  string | null,
]
