// The queue's thread: the only one that writes. All that has gathered in the client comes as one
// batch, runs in one transaction, and is answered as one. A commit that fails takes its whole
// batch with it and is told to each; an operation that fails takes only itself.

import { parentPort, workerData } from 'node:worker_threads'

import { commit } from './changes.ts'
import { lockFolder } from './lock.ts'
import { run } from './operations.ts'
import { recover, returnLapsed } from './interrupted.ts'
import { unfinishedScopes } from './hold.ts'
import { loadMemory, openStore, Refusal, reopen, unlinkEnded } from './store.ts'
import type { Store, StoreOptions } from './store.ts'
import type { Answers, Batch, Failure, FromWorker, Operation, ToldRow } from '../schema/wire.ts'

/** SQLite's results that speak of the disk or the file, not of what was asked. */
const STORAGE = new Set([5, 6, 7, 8, 10, 11, 13, 14, 15, 22, 26])
const FULL = 13
const NOTHING: readonly ToldRow[] = []

start(workerData as StoreOptions)

function start(options: StoreOptions): void {
  const port = parentPort!
  const say = (message: FromWorker): void => port.postMessage(message)
  try {
    const lock = lockFolder(options.folder, options.now)
    const store = openStore(options)
    loadHoldsAndRecover(store, say)
    port.on('message', (message: Batch | 'close') => {
      if (message !== 'close') return say(runBatch(store, message))
      store.db.close()
      lock[Symbol.dispose]()
      say({ kind: 'closed' })
      port.close()
    })
  } catch (error) {
    say({ kind: 'refused', text: textOf(error) })
    port.close()
  }
}

function loadHoldsAndRecover(store: Store, say: (message: FromWorker) => void): void {
  loadMemory(store)
  recover(store)
  settleMemory(store)
  const [last] = store.sql.lastMessage.get() as unknown as [number]
  const told = store.told.splice(0)
  say({ kind: 'opened', last, told, unfinished: unfinishedScopes(store) })
}

function runBatch(store: Store, batch: Batch): Answers {
  const started = performance.now()
  store.now = batch.now
  store.steady = batch.steady
  store.content = batch.content
  store.lanes.woken = false
  for (const id of batch.gone) store.fresh.delete(id)
  const { results, failures } = transact(store, batch.operations)
  const lapse = store.leases.earliest - store.steady + store.now
  const next = earliest(store.lanes.nextWake(), lapse)
  const { woken: wake } = store.lanes
  return {
    kind: 'answers',
    results,
    failures,
    wake,
    next,
    milliseconds: performance.now() - started,
    told: store.told.length === 0 ? NOTHING : store.told.splice(0),
  }
}

function earliest(wake: number | null, lapse: number): number | null {
  const at = Math.min(wake ?? Infinity, lapse)
  return at === Infinity ? null : at
}

interface Ran {
  readonly results: unknown[]
  readonly failures: (Failure | undefined)[]
}

/** All in one transaction; if one operation breaks it, each in its own. */
function transact(store: Store, operations: readonly Operation[]): Ran {
  const failures: (Failure | undefined)[] = []
  const results: unknown[] = []
  try {
    store.db.exec('BEGIN IMMEDIATE')
    store.lanes.wake(store.now)
    returnLapsed(store)
    for (const [index, operation] of operations.entries())
      try {
        results[index] = run(store, operation)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        failures[index] = { error: error.kind, text: error.message }
      }
    commit(store)
    settleMemory(store)
    return { results, failures }
  } catch (error) {
    undo(store)
    if (operations.length > 1 && !isStorage(error)) return transactEach(store, operations)
    const failure = failureOf(error)
    return {
      results: [],
      failures: operations.map((operation) => (inMemory(store, operation) ? undefined : failure)),
    }
  }
}

function transactEach(store: Store, operations: readonly Operation[]): Ran {
  const each = operations.map((operation) => transact(store, [operation]))
  return {
    results: each.map(({ results }) => results[0]),
    failures: each.map(({ failures }) => failures[0]),
  }
}

// What no storage is needed for is done all the same: leases and limits must not go wrong with it.
function inMemory(store: Store, operation: Operation): boolean {
  const [kind] = operation
  if (kind !== 'full' && kind !== 'renew' && kind !== 'release') return false
  try {
    run(store, operation)
  } catch {
    // Counting the lane failed; it is counted again when it is asked for.
  }
  store.undo.length = 0
  return true
}

function settleMemory(store: Store): void {
  store.undo.length = 0
  store.lanes.touched.clear()
  if (store.unlink.length > 0) unlinkEnded(store)
}

/** The files and the memory go back to where they were before the batch. */
function undo(store: Store): void {
  try {
    if (store.db.isTransaction) store.db.exec('ROLLBACK')
  } catch {
    tryReopen(store)
  }
  for (const step of store.undo.splice(0).reverse()) step()
  store.undo.length = 0
  store.unlink.length = 0
  store.changes.messages.length = 0
  for (const name of Array.from(store.lanes.touched, (lane) => lane.name))
    try {
      store.lanes.recount(name, store.now)
    } catch {
      // It stays marked as not known, and is counted when it is asked for.
    }
  store.lanes.touched.clear()
}

function tryReopen(store: Store): void {
  try {
    reopen(store)
  } catch {
    // The next batch fails at its BEGIN and comes here again.
  }
}

function isStorage(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && STORAGE.has(code & 0xff)
}

function codeOf(error: unknown): number | undefined {
  return (error as { errcode?: number }).errcode
}

function failureOf(error: unknown): Failure {
  const full = ((codeOf(error) ?? 0) & 0xff) === FULL
  const storage = isStorage(error)
  return { error: full ? 'full' : storage ? 'failing' : 'wrong', text: textOf(error) }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const reason = (error as { errstr?: string }).errstr
  return reason === undefined || error.message.includes(reason)
    ? error.message
    : `${error.message} (${reason})`
}
