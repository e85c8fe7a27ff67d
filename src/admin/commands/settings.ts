// `waypost start` and `waypost settings`.

import { command, type Group } from '../program.ts'
import type { Context } from '../context.ts'
import { jsonLine } from '../plain.ts'

export const settingsCommands: Group = (program, act) => {
  program
    .command('start')
    .description('Run the relay until SIGTERM or Ctrl-C; a second signal ends it at once')
    .addHelpText('after', '\nExample:\n  $ WAYPOST_HOSTNAME=relay.example.com waypost start\n')
    .action(act((context) => context.start()))
  command(
    program,
    'settings',
    'The environment variables that are read, with defaults and what is set',
    'settings',
  ).action(act(printSettings))
}

async function printSettings(context: Context, options: { json?: true }): Promise<number> {
  for (const row of context.manual) {
    const value = context.environment[row.from]
    if (options.json === true)
      context.print(
        jsonLine({ name: row.from, default: row.default, set: value ?? null, says: row.says }),
      )
    else context.print(formatRow(row.from, row.default, value, row.says))
  }
  context.places() // whatever is wrong is said, and gives exit code 2
  return 0
}

function formatRow(
  name: string,
  fallback: string,
  value: string | undefined,
  says: string,
): string {
  const set = value === undefined ? '' : `\n    now: ${value}`
  return `${name}\n    ${says}\n    default: ${fallback === '' ? '(none)' : fallback}${set}\n`
}
