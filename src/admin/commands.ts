// All commands of `waypost`.

import { backupCommands } from './commands/backup.ts'
import { keyCommands } from './commands/key.ts'
import { policyCommands } from './commands/policy.ts'
import { queueCommands } from './commands/queue.ts'
import { sendCommands } from './commands/send.ts'
import { settingsCommands } from './commands/settings.ts'
import { sinkCommands } from './commands/sink.ts'
import { statusCommands } from './commands/status.ts'
import { traceCommands } from './commands/trace.ts'
import { userCommands } from './commands/user.ts'
import type { Context } from './context.ts'
import { runProgram } from './program.ts'

const GROUPS = [
  settingsCommands,
  statusCommands,
  queueCommands,
  traceCommands,
  sendCommands,
  sinkCommands,
  policyCommands,
  userCommands,
  keyCommands,
  backupCommands,
]

/** Runs one command and answers with its exit code. */
export function runCommands(words: readonly string[], context: Context): Promise<number> {
  return runProgram(words, context, GROUPS)
}
