// All commands of `waypost`.

import type { Context } from './context.ts'
import { runProgram } from './program.ts'
import { queueCommands } from './commands/queue.ts'
import { settingsCommands } from './commands/settings.ts'
import { sinkCommands } from './commands/sink.ts'
import { traceCommands } from './commands/trace.ts'

const GROUPS = [settingsCommands, queueCommands, traceCommands, sinkCommands]

/** Runs one command and answers with its exit code. */
export function runCommands(words: readonly string[], context: Context): Promise<number> {
  return runProgram(words, context, GROUPS)
}
