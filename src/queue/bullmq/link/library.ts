// Our own Lua, one library of functions that the server keeps: read from the folder `lua/`, put together
// in order with BullMQ's scripts, and named by what is in it, so that two versions of a relay can share a server.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { RedisConnection } from 'bullmq'
import type { Redis } from 'ioredis'

import { besideCode } from '../../../base/package.ts'

const FOLDER = besideCode('queue/bullmq/lua', 'lua')
/** What moves jobs in our steps: BullMQ's scripts, and how many keys each uses. */
export const SCRIPTS = {
  addDelayedJob: 6,
  addPrioritizedJob: 9,
  moveToActive: 11,
  moveToDelayed: 11,
  moveToFinished: 14,
} as const
export type ScriptName = keyof typeof SCRIPTS

/** What the functions are made of; each part uses those before it. */
const PARTS = [
  'keys',
  'writes',
  'state',
  'records',
  'jobs',
  'lanes',
  'acts',
  'settling',
  'leases',
  'took',
]

export type FunctionName =
  | 'abandon'
  | 'accept'
  | 'act'
  | 'beat'
  | 'borrow'
  | 'bury'
  | 'claim'
  | 'disown'
  | 'forget_changes'
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
  | 'state'
  | 'steps'
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
  // What each of them calls its own stays in its file: Lua allows 200 local names in one place.
  const functions = files.sort().map((file) => `do\n${readFileSync(join(FOLDER, file), 'utf8')}end`)
  const text = [...parts, readScripts(), ...functions].join('\n')
  const name = `waypost_${createHash('sha256').update(text).digest('hex').slice(0, 10)}`
  return { name, code: text.replaceAll('NAME_', `${name}_`) }
}

// BullMQ's scripts as it would send them, each the body of a function: what the server calls KEYS and ARGV for a
// script are its parameters.
function readScripts(): string {
  const written: string[] = []
  const defineCommand = (command: string, script: { lua: string; numberOfKeys: number }): void => {
    const name = nameOf(command)
    if (SCRIPTS[name] === script.numberOfKeys)
      written.push(`BULLMQ.${name} = function(KEYS, ARGV)\n${script.lua}\nend`)
  }
  const loader = RedisConnection.prototype as unknown as { loadCommands(version: string): void }
  loader.loadCommands.call({ _client: { defineCommand } }, '')
  if (written.length !== Object.keys(SCRIPTS).length)
    throw new Error('This version of BullMQ has other scripts')
  return ['local BULLMQ = {}', ...written].join('\n')
}

/** Without the version that BullMQ gives it. */
export function nameOf(command: string): ScriptName {
  return command.slice(0, command.indexOf(':')) as ScriptName
}
