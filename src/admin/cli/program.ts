// From arguments to an exit code: 0 ok, 1 failed or nothing found, 2 wrong use. What a command
// cannot do it says in one sentence on standard error, with what to do next.

import { Command, CommanderError } from 'commander'
import { printable } from '../../base/escape.ts'
import { CommandError, type Context } from '../context.ts'

/** Adds a group of commands to the program. */
export type Group = (program: Command, act: Act) => void

/** Makes a commander action of a command's function, which answers with the exit code. */
export type Act = <Given extends unknown[]>(
  run: (context: Context, ...given: Given) => Promise<number>,
) => (...given: Given) => Promise<void>

export async function runProgram(
  words: readonly string[],
  context: Context,
  groups: readonly Group[],
): Promise<number> {
  let code = 0
  const act: Act =
    (run) =>
    async (...given) => {
      code = await run(context, ...given)
    }
  const program = createProgram(context)
  for (const group of groups) group(program, act)
  try {
    await program.parseAsync([...words], { from: 'user' })
    return code
  } catch (error) {
    return failure(error, context)
  }
}

/** A command with `--json`, one example, and help that says what the exit codes mean. */
export function command(parent: Command, usage: string, says: string, example: string): Command {
  return parent
    .command(usage)
    .description(says)
    .option('--json', 'one JSON object a line')
    .addHelpText('after', `\nExample:\n  $ waypost ${example}\n`)
}

function createProgram(context: Context): Command {
  return new Command('waypost')
    .description('An SMTP smart-host relay: takes mail, keeps it, signs it, delivers it.')
    .version(context.version, '-v, --version', 'the version')
    .helpOption('-h, --help', 'help')
    .helpCommand('help [command]', 'help for a command')
    .addHelpText('after', '\nExit codes: 0 ok, 1 failed or nothing found, 2 wrong use.\n')
    .showHelpAfterError('(`--help` says more)')
    .exitOverride()
    .configureOutput({
      writeOut: context.print,
      writeErr: context.complain,
      getOutHelpWidth: () => context.columns ?? 100,
      getErrHelpWidth: () => context.columns ?? 100,
    })
}

function failure(error: unknown, context: Context): number {
  // Commander has already said what is wrong.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (!(error instanceof Error)) throw error
  for (const line of error.message.split('\n')) context.complain(`waypost: ${printable(line)}\n`)
  if (error instanceof CommandError) return error.code
  return ['SettingsError', 'QueryError'].includes(error.name) ? 2 : 1
}
