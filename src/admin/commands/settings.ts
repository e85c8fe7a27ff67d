// `waypost start` and `waypost settings`.

import { printable } from '../../base/escape.ts'
import { withoutSecrets } from '../../base/mask.ts'
import { command, type Group } from '../cli/program.ts'
import { PolicyError } from '../../policy/findings.ts'
import { CommandError, type Context, type ManualRow } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { wrap } from '../cli/wrap.ts'

export const settingsCommands: Group = (program, act) => {
  program
    .command('start')
    .description('Run the relay until SIGTERM or Ctrl-C; a second signal ends it at once')
    .option(
      '--held',
      'hold all mail first, as a queue that was restored or cloned needs: what has left since would be sent again',
    )
    .addHelpText(
      'after',
      '\nIts settings are environment variables: `waypost settings` lists them.\n' +
        '\nExample:\n  $ WAYPOST_HOSTNAME=relay.example.com waypost start\n',
    )
    .action(act(start))
  command(
    program,
    'settings',
    'The environment variables that are read, with defaults and what is set',
    'settings',
  ).action(act(printSettings))
}

async function start(context: Context, options: { held?: true }): Promise<number> {
  const held = { who: context.who, why: 'started with --held' }
  try {
    return await context.start(options.held === true ? { held } : {})
  } catch (error) {
    // Like wrong settings they do not mend themselves: whoever restarts the relay need not try again.
    if (error instanceof PolicyError) throw new CommandError(error.message, 2, { cause: error })
    throw error
  }
}

async function printSettings(context: Context, options: { json?: true }): Promise<number> {
  for (const row of context.manual) {
    const value = shown(row.from, context.environment[row.from])
    if (options.json === true)
      context.print(
        jsonLine({ name: row.from, default: row.default, set: value ?? null, says: row.says }),
      )
    else for (const line of formatRow(row, value, context.columns)) context.print(`${line}\n`)
  }
  if (context.interactive)
    context.complain(
      'These are the variables of this shell; a relay that runs goes by those it was started with\n',
    )
  context.places() // whatever is wrong is said, and gives exit code 2
  return 0
}

// A URL may have a password, and what is printed here is shown to others.
function shown(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return value
  return SECRET.has(name) || value.includes('://') ? withoutSecrets(value) : value
}

const SECRET = new Set(['WAYPOST_REDIS', 'WAYPOST_CONTENT'])

function formatRow(row: ManualRow, value: string | undefined, columns?: number): string[] {
  const fallback = row.default === '' ? '(none)' : row.default
  const set = value === undefined ? [] : [`    now: ${printable(value)}`]
  const lines = [`    ${row.says}`, `    default: ${fallback}`, ...set]
  return [row.from, ...lines.flatMap((line) => wrap(line, columns, 4))]
}
