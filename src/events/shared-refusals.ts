// Refusals of late where several processes share a queue: each writes its own beside the mail, so that whoever asks
// finds them all. They are strangers' traffic: what is written is bounded by what is remembered, a few at a time and
// seldom, and never in the way of who was refused.

import type { Cancel, Clock } from '../base/clock.ts'
import { VALUE_BYTES } from '../store/store.ts'
import type { Store, StoreEntry } from '../store/store.ts'
import { isOf, REMEMBERED_MS } from './refused-mail.ts'
import type { Refused, RefusedMail } from './refused-mail.ts'

/** Milliseconds between two writes, and what one has: ten refusals a second at the most. */
const EVERY = 5000
const TOGETHER = 50
/** Refusals read at once. */
const PAGE = 500
const PREFIX = 'refused/'

/** @param me the process, in a word that no other has */
export function shareRefusals(
  refused: RefusedMail,
  store: Store,
  me: string,
  clock: Clock,
): AsyncDisposable {
  let timer: Cancel | undefined
  let writing = Promise.resolve()
  const later = (): void => {
    timer ??= clock.after(EVERY, () => {
      timer = undefined
      writing = write(refused, store, me).then((more) => (more ? later() : undefined))
    })
  }
  refused.onChange = later
  return {
    async [Symbol.asyncDispose]() {
      refused.onChange = undefined
      timer?.()
      await writing
      await write(refused, store, me)
    },
  }
}

/** Whether there is more to write. What could not be written is, the next time. */
async function write(refused: RefusedMail, store: Store, me: string): Promise<boolean> {
  const changed = refused.changed(TOGETHER)
  if (changed.length === 0) return false
  const entries = changed.map((each) => entryOf(each, me))
  try {
    await store.apply(entries)
    refused.wrote(changed)
  } catch {
    // Storage is away, as the queue says.
  }
  return true
}

/** The place of a refusal that was forgotten is taken by a later one. */
function entryOf([place, refused]: readonly [number, Refused], me: string): StoreEntry {
  const { to: _, ...brief } = refused
  const whole = JSON.stringify(refused)
  const value = Buffer.byteLength(whole) > VALUE_BYTES ? JSON.stringify(brief) : whole
  const until = refused.at + REMEMBERED_MS
  return { kind: 'put', key: `${PREFIX}${me}/${place}`, value, until }
}

/** Of all processes, the newest first. Case matters in no part of the address. */
export async function findRefusals(
  store: Pick<Store, 'scan'>,
  address: string,
): Promise<Refused[]> {
  const sought = address.toLowerCase()
  const found: Refused[] = []
  let after: string | undefined
  do {
    const rows = await store.scan(PREFIX, {
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    for (const { value } of rows) {
      const refused = JSON.parse(value) as Refused
      if (isOf(refused, sought)) found.push(refused)
    }
    after = rows.length < PAGE ? undefined : rows.at(-1)!.key
  } while (after !== undefined)
  return found.sort((one, other) => other.at - one.at)
}
