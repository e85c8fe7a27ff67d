// Standing holds: they lie on all mail, a destination or a queue until they are lifted, and cover
// new mail at once. Mail that was there before is marked page by page, so that a hold on a million
// deliveries stops no commit.

import type { OperatorAct } from '../../port/types.ts'
import { formatDeliveryId, formatId, parseId } from '../../ids.ts'
import { addFact } from './changes.ts'
import { freed, heldUnder, readDelivery, standingScope } from './delivery.ts'
import { writeDelivery } from './delivery.ts'
import { READY } from '../schema/schema.ts'
import { showHolds } from './store.ts'
import type { Store } from './store.ts'
import { notFresh } from './fresh.ts'
import type { PageDone } from '../schema/wire.ts'

const PAGE = 250
/** Deliveries looked at for one page. */
const SCANNED = 2000

export function placeHold(store: Store, scope: string, by: OperatorAct): void {
  store.sql.addHold.run(scope, by.who, by.why, store.now)
  const before = store.holds.get(scope)
  changeHold(store, scope, by)
  store.undo.push(() => changeHold(store, scope, before))
}

/** Whether there was one. */
export function liftHold(store: Store, scope: string): boolean {
  const before = store.holds.get(scope)
  if (before === undefined) return false
  store.sql.dropHold.run(scope)
  changeHold(store, scope, undefined)
  store.undo.push(() => changeHold(store, scope, before))
  return true
}

function changeHold(store: Store, scope: string, by: OperatorAct | undefined): void {
  if (by === undefined) store.holds.delete(scope)
  else store.holds.set(scope, by)
  showHolds(store)
  store.lanes.placeAll(store.now)
}

/** Marks one page of what was queued before the hold was placed. */
export function markPage(store: Store, scope: string, cursor: string | null): PageDone {
  const by = store.holds.get(scope)
  if (by === undefined) return { count: 0, busy: 0, kept: [], cursor: null }
  const page = scope.startsWith('destination:')
    ? readyIn(store, scope.slice('destination:'.length))
    : readyAfter(store, scope, cursor)
  let count = 0
  for (const [message, n, live] of page.found) {
    holdDelivery(store, message, n, scope)
    count += live
  }
  const busy = cursor === null ? busyUnder(store, scope) : 0
  return { count, busy, kept: [], cursor: page.cursor }
}

interface Chosen {
  readonly found: readonly (readonly [message: number, n: number, live: number])[]
  readonly cursor: string | null
}

function readyIn(store: Store, destination: string): Chosen {
  const found = store.sql.readyIn.all(destination, PAGE) as unknown as Chosen['found']
  return { found, cursor: found.length < PAGE ? null : 'more' }
}

function readyAfter(store: Store, scope: string, cursor: string | null): Chosen {
  const [id = '', n = '0'] = (cursor ?? '').split('.')
  type Row = [message: number, n: number, state: number, queue: string, live: number]
  const rows = store.sql.pageAfter.all(parseId(id) ?? 0, Number(n), SCANNED) as unknown as Row[]
  const found: [number, number, number][] = []
  for (const [message, n, state, queue, live] of rows) {
    if (state === READY && (scope === 'all' || scope === `queue:${queue}`))
      found.push([message, n, live])
    if (found.length === PAGE) return { found, cursor: `${formatId(message)}.${n}` }
  }
  const last = rows.length < SCANNED ? undefined : rows.at(-1)
  return { found, cursor: last === undefined ? null : `${formatId(last[0])}.${last[1]}` }
}

// What is under way is held when its attempt has ended.
function busyUnder(store: Store, scope: string): number {
  let busy = 0
  type Row = [destination: string, queue: string, live: number]
  for (const [destination, queue, live] of store.sql.busy.all() as unknown as Row[])
    if (['all', `destination:${destination}`, `queue:${queue}`].includes(scope)) busy += live
  return busy
}

/** A standing hold takes what waits: also when it is met before its page was marked. */
export function holdDelivery(store: Store, message: number, n: number, scope: string): void {
  const delivery = readDelivery(store, message, n)
  if (delivery?.state !== READY) return
  writeDelivery(store, message, n, heldUnder(store, delivery, scope))
  tell(store, message, n, 'hold', store.holds.get(scope)!)
  notFresh(store, message)
  store.lanes.recount(delivery.destination, store.now)
}

/** Frees one page of what a lifted hold had marked; another that lies on it takes over. */
export function unmarkPage(store: Store, scope: string, by: OperatorAct): PageDone {
  if (store.holds.has(scope)) return { count: 0, busy: 0, kept: [], cursor: null }
  const rows = store.sql.heldBy.all(scope, PAGE) as unknown as [number, number][]
  let count = 0
  const kept = new Map<string, number>()
  for (const [message, n] of rows) {
    const delivery = readDelivery(store, message, n)!
    const other = standingScope(store, delivery)
    const next =
      other === undefined ? freed(store, message, delivery) : heldUnder(store, delivery, other)
    notFresh(store, message)
    writeDelivery(store, message, n, next)
    tell(store, message, n, 'release', by)
    if (other === undefined) count += delivery.live
    else kept.set(other, (kept.get(other) ?? 0) + delivery.live)
  }
  return { count, busy: 0, kept: [...kept], cursor: rows.length < PAGE ? null : 'more' }
}

function tell(
  store: Store,
  message: number,
  n: number,
  act: 'hold' | 'release',
  { who, why }: OperatorAct,
): void {
  const delivery = formatDeliveryId(message, n)
  addFact(store, message, { kind: 'act', at: store.now, act, delivery, who, why })
}

/** Pages that a crash may have left undone: marks of holds that stand, and of those that are gone. */
export function unfinishedScopes(store: Store): string[] {
  const scopes = new Set(store.holds.keys())
  let next = store.sql.nextScope.get('') as unknown as [string] | undefined
  while (next !== undefined) {
    if (next[0] !== 'ids') scopes.add(next[0])
    next = store.sql.nextScope.get(next[0]) as unknown as [string] | undefined
  }
  return [...scopes]
}
