// Our own Lua, one library of functions that the server keeps: read from the folder `lua/`, put together
// in order, and named by what is in it, so that two versions of a relay can share a server.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Redis } from 'ioredis'

const FOLDER = join(import.meta.dirname, 'lua')
/** What the functions are made of; each part uses those before it. */
const PARTS = ['keys', 'records', 'jobs', 'lanes', 'acts', 'settling', 'leases', 'took']

export type FunctionName =
  | 'abandon'
  | 'accept'
  | 'act'
  | 'beat'
  | 'borrow'
  | 'bury'
  | 'claim'
  | 'disown'
  | 'free_keys'
  | 'full'
  | 'hand'
  | 'hello'
  | 'hold'
  | 'kept'
  | 'load'
  | 'mark'
  | 'mend'
  | 'next_due'
  | 'overdue'
  | 'owed'
  | 'place'
  | 'release'
  | 'renew'
  | 'restore'
  | 'settle'
  | 'suspend'
  | 'took'
  | 'unmark'
  | 'withdraw'

export interface Library {
  /** Of the library, and what all its functions begin with. */
  readonly name: string
  readonly code: string
}

let read: Library | undefined

export function readLibrary(): Library {
  return (read ??= compose())
}

/** The server has it from here on; it is kept with the data. */
export async function loadLibrary(redis: Redis): Promise<void> {
  const { name, code } = readLibrary()
  // Its name says what is in it. Where memory is full nothing can be loaded, and need not be.
  const known = await redis.function('LIST', 'LIBRARYNAME', name)
  if (known.length > 0) return
  await redis.function('LOAD', 'REPLACE', `#!lua name=${name}\n${code}`)
}

function compose(): Library {
  const parts = PARTS.map((part) => readFileSync(join(FOLDER, 'parts', `${part}.lua`), 'utf8'))
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.lua'))
  const functions = files.sort().map((file) => readFileSync(join(FOLDER, file), 'utf8'))
  const text = [...parts, ...functions].join('\n')
  const name = `waypost_${createHash('sha256').update(text).digest('hex').slice(0, 10)}`
  return { name, code: text.replaceAll('NAME_', `${name}_`) }
}
