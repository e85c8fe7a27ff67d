// The history forgets what ended long ago, the oldest first, a few messages a step, so that no
// commit waits for it.

import { existsSync } from 'node:fs'

import { numberOf } from './accept.ts'
import { forgetChanges } from './changes.ts'
import { forgetState } from './state.ts'
import type { Store } from './store.ts'
import { contentPath } from '../schema/content-path.ts'

const STEP = 50

/** Whether there may be more to forget. `excess`: also what is younger, because there is too much. */
export function trim(store: Store, before: number, excess: boolean): boolean {
  const { sql, now } = store
  const rows = sql.oldest.all(STEP) as unknown as [at: number, message: number][]
  const old = rows.filter(([at]) => excess || at < before)
  for (const [at, message] of old) {
    sql.forgetRecipients.run(message)
    sql.forgetFacts.run(message)
    sql.forgetMessage.run(message)
    sql.forgetEnded.run(at, message)
  }
  // The order over all facts reaches as far back as what has ended.
  const more = forgetChanges(store, excess ? (old.at(-1)?.[0] ?? before) : before)
  const once = sql.forgetOnce.run(now)
  sql.forgetSuspensions.run(now)
  const ended = forgetState(store, 500)
  return ended || more || old.length === STEP || Number(once.changes) === 500
}

/** Which of these content files belong to no message that still needs them. */
export function orphansOf(store: Store, keys: readonly string[]): string[] {
  return keys.filter((key) => {
    const id = numberOf(store, key)
    const needed = id !== undefined && store.sql.liveKey.get(id, key) !== undefined
    return !needed && existsSync(contentPath(store.folder, key))
  })
}
