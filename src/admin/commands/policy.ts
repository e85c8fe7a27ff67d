// `waypost policy check`: every mistake and doubt in the files, by file and line.

import type { Command } from 'commander'
import { printable } from '../../base/escape.ts'
import type { Context } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'

export function addPolicy(policy: Command, act: Act): void {
  command(
    policy,
    'check',
    'All mistakes and doubts in policies/ and queues/',
    'policy check',
  ).action(act(check))
}

async function check(context: Context, options: { json?: true }): Promise<number> {
  const { config } = context.places()
  const { checkPolicy } = await import('../../policy/load.ts')
  const findings = await checkPolicy(config, context.environment)
  const errors = findings.filter(({ level }) => level === 'error').length
  for (const finding of findings) {
    const { level, at, text } = finding
    if (options.json === true) context.print(jsonLine({ level, where: at, text }))
    else context.print(printable(`${at}: ${level}: ${text}`) + '\n')
  }
  if (options.json !== true) context.print(summary(config, errors, findings.length - errors))
  return errors > 0 ? 1 : 0
}

function summary(config: string, errors: number, warnings: number): string {
  if (errors + warnings === 0) return `The policies in "${config}" are in order\n`
  return `${plural(errors, 'mistake')}, ${plural(warnings, 'doubt')} in "${config}"\n`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
