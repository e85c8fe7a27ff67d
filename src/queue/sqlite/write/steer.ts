// One page of an operator's act: finds what fits and does it, each delivery once.

import { LIVE } from '../../fits.ts'
import type { Filter } from '../../port/reader.ts'
import type { Act, OperatorAct } from '../../port/types.ts'
import { act } from './act.ts'
import { findRows } from '../read/find.ts'
import type { EntryRow } from '../read/entry.ts'
import type { Store } from './store.ts'
import { stateOf } from '../read/entry.ts'
import { isEnd } from '../../../mail/outcome.ts'
import type { PageDone } from '../schema/wire.ts'

const PAGE = 250

export function steerPage(
  store: Store,
  wish: Act,
  filter: Filter,
  by: OperatorAct,
  cursor: string | null,
): PageDone {
  // What has ended stays as it ended.
  const states = (filter.states ?? LIVE).filter((state) => !isEnd(state))
  const found = findRows(
    store.db,
    { ...filter, states },
    { limit: PAGE, cursor: cursor ?? undefined },
  )
  let [count, busy] = [0, 0]
  const kept = new Map<string, number>()
  for (const { message, n, recipients } of byDelivery(found.rows)) {
    const done = act(store, message, n, { act: wish, who: by.who, why: by.why, recipients })
    const many = recipients.length
    if (done.kind === 'done') count += many
    if (done.kind === 'busy') busy += many
    if (done.kind === 'kept') kept.set(done.scope, (kept.get(done.scope) ?? 0) + many)
  }
  return { count, busy, kept: [...kept], cursor: found.cursor ?? null }
}

interface Group {
  readonly message: number
  readonly n: number
  readonly recipients: number[]
}

function byDelivery(rows: readonly EntryRow[]): Group[] {
  const groups = new Map<string, Group>()
  for (const row of rows) {
    if (isEnd(stateOf(row))) continue
    const [message, recipient, n] = row
    const group = groups.get(`${message}-${n}`) ?? { message, n, recipients: [] }
    group.recipients.push(recipient)
    groups.set(`${message}-${n}`, group)
  }
  return [...groups.values()]
}
