// Large content inside a backup: a copy is one file, so there it stands in rows. When the copy
// is first opened as a queue, the rows become files again.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'

const CHUNK = 1024 * 1024

/**
 * Copies the files that live messages of the copy have into it.
 * @param took told how many bytes were copied, and waited for
 */
export async function addChunks(
  copy: DatabaseSync,
  folder: string,
  took: (bytes: number) => Promise<void>,
): Promise<void> {
  const keys = copy
    .prepare(
      `SELECT large FROM message WHERE large IS NOT NULL
       AND EXISTS (SELECT 1 FROM delivery WHERE delivery.message = message.id)`,
    )
    .all()
  const add = copy.prepare('INSERT INTO chunk VALUES (?, ?, ?)')
  for (const row of keys) {
    const key = String(row['large'])
    await using file = await open(join(folder, 'content', key))
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (let n = 0; ; n++) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK)
      if (bytesRead === 0) break
      add.run(key, n, buffer.subarray(0, bytesRead))
      await took(bytesRead)
    }
  }
}

/** Puts large content back into files; doing it twice, after a crash, does no harm. */
export function restoreChunks(db: DatabaseSync, folder: string): void {
  const keys = db.prepare('SELECT DISTINCT key FROM chunk').all()
  if (keys.length === 0) return
  const chunks = db.prepare('SELECT bytes FROM chunk WHERE key = ? ORDER BY n')
  for (const row of keys) {
    const key = String(row['key'])
    const file = openSync(join(folder, 'content', key), 'w', 0o600)
    for (const chunk of chunks.iterate(key)) writeSync(file, chunk['bytes'] as Uint8Array)
    fsyncSync(file)
    closeSync(file)
  }
  syncFolder(join(folder, 'content'))
  db.exec('DELETE FROM chunk')
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  fsyncSync(folder)
  closeSync(folder)
}
