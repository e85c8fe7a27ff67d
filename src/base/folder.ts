// Folders on the way to where something is kept, and files that are their owner's alone.

import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Creates the folder, for its owner alone, and those above it that are missing. Node's own
 * recursive `mkdir` never ends where the file system answers ENOENT for what it will not create,
 * as /proc does.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolder(dirname(path))
    await mkdir(path, { mode: 0o700 })
  }
}

/**
 * The file is there and for its owner alone, whatever the umask says or an earlier version made of it. Not opened
 * where it is there: closing a file ends the locks that the process has on it (POSIX), as SQLite does.
 */
export function keepPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  narrow(path)
}

/** Takes from all but the owner what they may do with the file, where it is there. */
export function narrow(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found !== undefined && (found.mode & 0o777) !== 0o600) chmodSync(path, 0o600)
}
