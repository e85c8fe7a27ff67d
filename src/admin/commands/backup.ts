// `waypost backup`: a copy of the whole queue, while the relay runs and when it is down. The command writes it,
// not the relay: where a service may write is not where its operator keeps backups.

import { stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { formatSize } from '../../base/units.ts'
import { CommandError, type Context } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { openStill } from '../control/reach.ts'

export function backupCommands(program: Command, act: Act): void {
  command(
    program,
    'backup <file>',
    'Copy the queue into a new file, whether the relay runs or not. To restore it, put it as queue.db into an empty data folder and run `waypost start --held`: what has left since waits there too, and would be sent again',
    'backup /var/backups/waypost/2026-11-22.db',
  ).action(act(backup))
}

async function backup(context: Context, file: string, options: { json?: true }): Promise<number> {
  const path = resolve(file)
  if ((await stat(path).catch(() => undefined)) !== undefined)
    throw new CommandError(`"${path}" is there already and is never overwritten; name a new file`)
  if ((await stat(dirname(path)).catch(() => undefined))?.isDirectory() !== true)
    throw new CommandError(`There is no folder "${dirname(path)}" to write the backup into`)
  await using store = await openStill(context)
  const shown = context.interactive && options.json !== true
  const progress = shown ? createProgress(context) : undefined
  try {
    const { copyStore } = await import('../../queue/sqlite/read/copy.ts')
    const { signal } = context
    await copyStore({ ...store, path, signal, progress: progress?.say ?? (() => {}) })
  } catch (error) {
    progress?.end()
    throw await failure(path, error, context.signal)
  }
  progress?.end()
  const { size } = await stat(path)
  context.print(options.json === true ? jsonLine({ path, size }) : `${path}: ${formatSize(size)}\n`)
  return 0
}

/** A line on the terminal that is written over, at most so often. */
function createProgress({ complain, clock }: Context) {
  let told = clock.now()
  let length = 0
  const write = (text: string): void => {
    complain(`\r${text.padEnd(length)}${text === '' ? '\r' : ''}`)
    length = text.length
  }
  return {
    say: (done: number, all: number): void => {
      if (clock.now() - told < 500) return
      told = clock.now()
      write(`Copied ${formatSize(done)} of about ${formatSize(all)}`)
    },
    end: (): void => {
      if (length > 0) write('')
    },
  }
}

async function failure(path: string, error: unknown, signal: AbortSignal): Promise<CommandError> {
  const action = `Cannot write the backup "${path}"`
  if (signal.aborted) return new CommandError(`${action}: stopped; nothing is left of it`)
  const { code, message } = error as NodeJS.ErrnoException
  return new CommandError(`${action}: ${(await reasonOf(code, dirname(path))) ?? message}`, 1, {
    cause: error,
  })
}

async function reasonOf(code: string | undefined, folder: string): Promise<string | undefined> {
  if (code === 'EROFS') return `"${folder}" is on a file system that is read-only here`
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'there is no space left'
  if (code !== 'EACCES' && code !== 'EPERM') return undefined
  const { uid, mode } = await stat(folder)
  const owner = uid === 0 ? 'root' : `user ${uid}`
  const rights = (mode & 0o7777).toString(8).padStart(4, '0')
  const me = userName()
  return (
    `user ${me} may not write into "${folder}", which belongs to ${owner} with mode ${rights}; ` +
    `make a folder of its own: sudo install -d -o ${me} -m 0700 ${folder}/waypost`
  )
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.())
  }
}
