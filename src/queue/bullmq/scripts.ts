// Our own Lua: read from the folder `lua/` when a connection is opened. A script's first line names
// the common parts that it is put together from; ioredis sends it once a connection, then its hash.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Redis } from 'ioredis'

const FOLDER = join(import.meta.dirname, 'lua')
const COMMON = join(FOLDER, 'common')

export type ScriptName =
  | 'accept'
  | 'act'
  | 'beat'
  | 'borrow'
  | 'bury'
  | 'claim'
  | 'full'
  | 'hello'
  | 'hold'
  | 'load'
  | 'mend'
  | 'mark'
  | 'next-due'
  | 'overdue'
  | 'place'
  | 'release'
  | 'settle'
  | 'suspend'
  | 'took'
  | 'unmark'
  | 'withdraw'

/** The command that a script is called by; with `Buffer` behind it, its texts come as bytes. */
export function commandOf(name: ScriptName): string {
  return `waypost-${name}`
}

export function defineScripts(redis: Redis): void {
  for (const [name, lua] of loadScripts())
    redis.defineCommand(`waypost-${name}`, { numberOfKeys: 1, lua })
}

let loaded: ReadonlyMap<string, string> | undefined

export function loadScripts(): ReadonlyMap<string, string> {
  return (loaded ??= new Map(namesIn(FOLDER).map((name) => [name, compose(name)])))
}

function compose(name: string): string {
  const text = readFileSync(join(FOLDER, `${name}.lua`), 'utf8')
  const [, uses = ''] = /^-- uses: (.*)\n/.exec(text) ?? []
  const parts = uses.split(' ').map((part) => readFileSync(join(COMMON, `${part}.lua`), 'utf8'))
  return [...parts, text].join('\n')
}

function namesIn(folder: string): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.lua'))
  return files.map((file) => file.slice(0, -'.lua'.length))
}
