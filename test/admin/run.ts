// Runs commands of `waypost` in this process, with all they print.

import { Readable } from 'node:stream'
import { runCommands } from '../../src/admin/commands.ts'
import type { Context } from '../../src/admin/context.ts'
import { systemClock } from '../../src/base/clock.ts'

export interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
  /** The lines of `--json`. */
  readonly json: Record<string, unknown>[]
}

export interface RunWorld {
  readonly data?: string
  readonly config?: string
  /** Where a configuration would be written; by default the one above counts. */
  readonly own?: string
  readonly dns?: string
  /** What is typed, or piped in. */
  readonly input?: string
  readonly context?: Partial<Context>
}

export async function waypost(
  words: string | readonly string[],
  world: RunWorld = {},
): Promise<Run> {
  let [out, err] = ['', '']
  const code = await runCommands(typeof words === 'string' ? words.split(' ') : words, {
    print: (text) => void (out += text),
    printBytes: (bytes) => void (out += Buffer.from(bytes ?? []).toString('latin1')),
    complain: (text) => void (err += text),
    drained: async () => {},
    input: Readable.from(world.input === undefined ? [] : [world.input]),
    columns: undefined,
    interactive: false,
    clock: systemClock,
    signal: new AbortController().signal,
    who: 'ana',
    uid: process.getuid?.() ?? 0,
    version: '1.2.3',
    places: () => ({
      data: world.data ?? '/nonexistent/data',
      config: world.config ?? '/nonexistent/config',
      own: world.own ?? world.config ?? '/nonexistent/config',
      dns: world.dns,
      hostname: 'relay.example',
    }),
    manual: [{ from: 'WAYPOST_LISTEN', default: 'smtp://127.0.0.1:2525', says: 'Where' }],
    environment: {},
    start: async () => 0,
    ...world.context,
  })
  return {
    code,
    out,
    err,
    get json() {
      const lines = out.split('\n').filter((line) => line !== '')
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    },
  }
}
