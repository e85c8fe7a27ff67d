// Which mail the client still has in memory as it was accepted: how many of its deliveries were not
// handed out yet. Until then they go out by their numbers alone.

import type { Store } from './store.ts'

/** An act or an attempt has changed the mail: it is not as the client remembers it. */
export function notFresh(store: Store, message: number): void {
  const left = store.fresh.get(message)
  if (left === undefined) return
  store.fresh.delete(message)
  store.undo.push(() => store.fresh.set(message, left))
}

export function setFresh(store: Store, message: number, left: number): void {
  if (left > 0) store.fresh.set(message, left)
  else store.fresh.delete(message)
}
