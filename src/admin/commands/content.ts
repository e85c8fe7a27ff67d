// `waypost queue content`: the bytes of a message, as postcat shows them, to whoever may read the store.

import { printable } from '../../base/escape.ts'
import type { Command } from 'commander'
import { checkIds } from '../query/terms.ts'
import { CommandError, type Context } from '../context.ts'
import { command, type Act } from '../cli/program.ts'
import { openContent } from '../control/reach.ts'

export function addContent(queue: Command, act: Act): void {
  command(
    queue,
    'content <id>',
    'The content of a message that waits, with our trace fields; what a terminal would obey is escaped',
    'queue content ID --raw >message.eml',
  )
    .option('--raw', 'its bytes as they are')
    .action(act(printContent))
}

async function printContent(
  context: Context,
  id: string,
  options: { raw?: true; json?: true },
): Promise<number> {
  checkIds([id])
  if (options.json === true)
    throw new CommandError('Content is no JSON: leave --json out, or write --raw', 2)
  await using content = await openContent(context)
  const show = options.raw === true ? context.printBytes : escaping(context.print)
  let any = false
  for await (const piece of content.raw(id.replace(/-\d+$/, ''))) {
    any = true
    show(piece)
    await context.drained()
    if (context.signal.aborted) return 1
  }
  if (!any)
    throw new CommandError(
      `There is no content of "${id}": it is kept until the last recipient has ended, and \`waypost trace ${id}\` says what became of them`,
    )
  show(undefined)
  return 0
}

// Line by line; a line without an end is shown at the end.
function escaping(print: (text: string) => void): (piece: Uint8Array | undefined) => void {
  const decoder = new TextDecoder()
  let left = ''
  return (piece) => {
    const lines = (left + decoder.decode(piece, { stream: piece !== undefined })).split('\n')
    left = lines.pop()!
    for (const line of lines) print(`${printable(line.replace(/\r$/, ''))}\n`)
    if (piece === undefined && left !== '') print(`${printable(left)}\n`)
  }
}
