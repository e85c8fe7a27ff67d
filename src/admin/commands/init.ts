// `waypost init [folder]`: a configuration of one's own, as a copy of what is shipped.

import { resolve } from 'node:path'
import { printable } from '../../base/escape.ts'
import { CommandError, type Context } from '../context.ts'
import { shortest } from '../cli/own-config.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Group } from '../cli/program.ts'

export const initCommands: Group = (program, act) => {
  command(
    program,
    'init [folder]',
    'Write policies/ and queues/ to edit: into the folder, else where WAYPOST_CONFIG says, else into config in the data folder',
    'init /etc/waypost',
  ).action(act(init))
}

async function init(
  context: Context,
  given: string | undefined,
  options: { json?: true },
): Promise<number> {
  const { own } = context.places()
  const folder = given === undefined ? own : resolve(given)
  const { inTheWay, writeConfig } = await import('../../policy/copy.ts')
  const obstacle = await inTheWay(folder)
  if (obstacle !== undefined)
    throw new CommandError(
      `"${folder}" has ${obstacle}/ already, and nothing is ever overwritten; move it away, or name another folder`,
    )
  const files = await writeConfig(folder).catch((cause: NodeJS.ErrnoException) => {
    throw new CommandError(`Cannot write "${folder}": ${cause.message}`, 1, { cause })
  })
  const counts = folder === own
  context.print(options.json === true ? jsonLine({ folder, files, counts }) : said(folder, counts))
  return 0
}

function said(folder: string, counts: boolean): string {
  const place = shortest(folder)
  const when = counts
    ? 'It is what counts from now on, and changes take effect without a restart.'
    : `It counts where WAYPOST_CONFIG=${folder} is set.`
  const lines = [
    `Wrote ${place}: policies/ and queues/, as shipped. ${when}`,
    '',
    `  who may send     ${place}/policies/relay.yaml; \`waypost user add NAME\` for users`,
    `  where mail goes  ${place}/policies/routing.yaml`,
    '  DKIM             `waypost key new DOMAIN`',
    '  is it right?     `waypost policy check`',
    '',
  ]
  return lines.map(printable).join('\n')
}
