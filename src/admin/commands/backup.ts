// `waypost backup`: a copy of the whole queue while the relay runs.

import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { formatSize } from '../../base/units.ts'
import { CommandError, type Context } from '../context.ts'
import { jsonLine } from '../plain.ts'
import { command, type Act } from '../program.ts'
import { openRelay } from '../reach.ts'

export function backupCommands(program: Command, act: Act): void {
  command(
    program,
    'backup <file>',
    'Copy the queue into a new file while the relay runs; put it as queue.db into an empty data folder to restore it',
    'backup /var/backups/waypost-2026-11-22.db',
  ).action(act(backup))
}

async function backup(context: Context, file: string, options: { json?: true }): Promise<number> {
  const path = resolve(file)
  if ((await stat(path).catch(() => undefined)) !== undefined)
    throw new CommandError(`"${path}" is there already and is never overwritten; name a new file`)
  if ((await stat(dirname(path)).catch(() => undefined))?.isDirectory() !== true)
    throw new CommandError(`There is no folder "${dirname(path)}" to write the backup into`)
  await using relay = await openRelay(context)
  await relay.backup(path)
  const { size } = await stat(path)
  context.print(options.json === true ? jsonLine({ path, size }) : `${path}: ${formatSize(size)}\n`)
  return 0
}
