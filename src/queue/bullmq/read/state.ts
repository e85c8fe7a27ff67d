// Small state beside the mail: by itself, and as it is read.

import type { Redis } from 'ioredis'

import type { Clock } from '../../../base/clock.ts'
import { checkEntries, endOf } from '../../../store/store.ts'
import type { Store, StoreAnswer, StoreEntry, StoreRow } from '../../../store/store.ts'
import { answersOf } from '../calls/answers.ts'
import type { Caller } from '../calls/caller.ts'

export class RedisState implements Store {
  #work: Redis
  #reading: Redis
  #caller: Caller
  #clock: Clock

  constructor(work: Redis, reading: Redis, caller: Caller, clock: Clock) {
    this.#work = work
    this.#reading = reading
    this.#caller = caller
    this.#clock = clock
  }

  async apply(entries: readonly StoreEntry[]): Promise<readonly StoreAnswer[]> {
    checkEntries(entries)
    const { value } = await this.#caller.call(this.#work, 'state', { also: entries })
    return answersOf(value)
  }

  scan(prefix: string, page: { limit: number; after?: string }): Promise<readonly StoreRow[]> {
    return readState(this.#reading, this.#caller.prefix, prefix, page, this.#clock.now())
  }
}

async function readState(
  redis: Redis,
  prefix: string,
  begin: string,
  page: { readonly limit: number; readonly after?: string },
  now: number,
): Promise<StoreRow[]> {
  const found: StoreRow[] = []
  let from = page.after === undefined || page.after < begin ? `[${begin}` : `(${page.after}`
  while (found.length < page.limit) {
    const few = page.limit - found.length
    const set = `${prefix}/state-keys`
    const keys = await redis.zrangebylex(set, from, `(${endOf(begin)}`, 'LIMIT', 0, few)
    if (keys.length === 0) break
    const texts = await redis.hmget(`${prefix}/state`, ...keys)
    for (const [n, key] of keys.entries()) {
      const [, until, value] = /^(\d+) (.*)$/s.exec(texts[n] ?? '') ?? []
      if (value !== undefined && (until === '0' || Number(until) > now)) found.push({ key, value })
    }
    from = `(${keys.at(-1)}`
  }
  return found
}
