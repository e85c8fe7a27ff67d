// `waypost policy explain` and `waypost policy schema`: what can be written in the policy files, for
// people and for editors.

import type { Command } from 'commander'
import { closest } from '../../base/closest.ts'
import type { FileManual, ManualRow } from '../../policy/manual.ts'
import { CommandError, type Context } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { wrap } from '../cli/wrap.ts'

export function addManual(policy: Command, act: Act): void {
  command(
    policy,
    'explain [file] [key]',
    'What can be written in the policy files: each key, what it takes, and what holds without it',
    'policy explain routing via.tls',
  ).action(act(explain))
  policy
    .command('schema <file>')
    .description('JSON Schema of a policy file, for editors that complete and check YAML')
    .addHelpText('after', '\nExample:\n  $ waypost policy schema routing > routing.schema.json\n')
    .action(act(printSchema))
}

async function explain(
  context: Context,
  name: string | undefined,
  key: string | undefined,
  options: { json?: true },
): Promise<number> {
  const { FILES, formOf, rowsOf } = await import('../../policy/manual.ts')
  const files = name === undefined ? FILES : [await fileNamed(name)]
  for (const file of files) {
    const rows = rowsUnder(file, rowsOf(file), key)
    if (options.json === true)
      for (const row of rows) context.print(jsonLine({ file: file.name, ...row }))
    else {
      if (file !== files[0]) context.print('\n')
      context.print(`${file.name}: ${file.says}\n`)
      context.print(`  ${formOf(file)}; without the file: ${file.without}\n`)
      for (const line of rows.flatMap((row) => linesOf(row, context.columns)))
        context.print(`${line}\n`)
    }
  }
  return 0
}

async function printSchema(context: Context, name: string): Promise<number> {
  const file = await fileNamed(name)
  const { schemaOf } = await import('../../policy/schema.ts')
  context.print(`${JSON.stringify(schemaOf(file), null, 2)}\n`)
  return 0
}

async function fileNamed(name: string): Promise<FileManual> {
  const manual = await import('../../policy/manual.ts')
  const found = manual.fileNamed(name)
  if (found !== undefined) return found
  const names = manual.FILES.map((file) => file.name.replace(/(\/\*)?\.yaml$/, ''))
  const near = closest(name, names)
  const hint = near === undefined ? `known are ${names.join(', ')}` : `did you mean ${near}`
  throw new CommandError(`"${name}" is no policy file, ${hint}`, 2)
}

/** The key and those below it. */
function rowsUnder(
  { name }: FileManual,
  rows: readonly ManualRow[],
  key: string | undefined,
): readonly ManualRow[] {
  if (key === undefined) return rows
  const plain = (text: string): string => text.replaceAll('[]', '')
  const found = rows.filter(({ key: one }) => `${plain(one)}.`.startsWith(`${plain(key)}.`))
  if (found.length > 0) return found
  const keys = rows.map((row) => row.key)
  const near = closest(key, keys)
  const hint = near === undefined ? `known are ${keys.join(', ')}` : `did you mean ${near}`
  throw new CommandError(`"${key}" is no key of ${name}, ${hint}`, 2)
}

function linesOf({ key, takes, required, default: value, says }: ManualRow, columns?: number) {
  const without = required ? 'must be there' : value === undefined ? undefined : `default: ${value}`
  const lines = [
    `    ${says}`,
    `    ${takes}`,
    ...(without === undefined ? [] : [`    ${without}`]),
  ]
  return [`  ${key}`, ...lines.flatMap((line) => wrap(line, columns, 4))]
}
