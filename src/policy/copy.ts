// How a configuration of one's own is written: as a copy of the one that counted until then.

import { existsSync } from 'node:fs'
import { chown, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder } from '../base/folder.ts'
import { SHIPPED } from './config.ts'

// `policies` comes last: from then on the folder counts.
const PARTS = ['queues', 'policies'] as const

/** What stands in the way of writing a configuration there: its name, such as `policies`. */
export async function inTheWay(folder: string): Promise<string | undefined> {
  for (const part of PARTS.toReversed())
    if ((await readdir(join(folder, part)).catch(() => [])).length > 0) return part
  return undefined
}

/**
 * Copies a configuration, and answers with the names of its files. Each part is there as a whole or not
 * at all; rejects when one is there already. What root writes is given to the owner of the folder, or of
 * the one that it is made in, or the relay could not read it.
 */
export async function writeConfig(folder: string, from: string = SHIPPED): Promise<string[]> {
  const owner = await ownerOf(folder)
  const made = !existsSync(folder)
  if (made) await makeFolder(dirname(folder))
  if (made) await mkdir(folder, { mode: 0o750 })
  if (made) await owner(folder)
  const names: string[] = []
  for (const part of PARTS) names.unshift(...(await copyPart(folder, from, part, owner)))
  return names
}

async function copyPart(
  folder: string,
  from: string,
  part: string,
  owner: Giving,
): Promise<string[]> {
  const half = join(folder, `.${part}.${process.pid}`)
  try {
    await mkdir(half, { mode: 0o750 })
    await owner(half)
    const names = (await readdir(join(from, part))).filter((name) => /\.(yaml|md)$/.test(name))
    for (const name of names.sort()) {
      await using file = await open(join(half, name), 'wx', name === 'users.yaml' ? 0o600 : 0o640)
      await file.writeFile(await readFile(join(from, part, name)))
      await file.sync()
      await owner(join(half, name))
    }
    await rename(half, join(folder, part)) // an empty folder gives way, any other does not
    return names.map((name) => `${part}/${name}`)
  } catch (error) {
    await rm(half, { recursive: true, force: true })
    throw error
  }
}

type Giving = (path: string) => Promise<void>

async function ownerOf(folder: string): Promise<Giving> {
  if (process.getuid?.() !== 0) return async () => {}
  let above = folder
  while (!existsSync(above)) above = dirname(above)
  const { uid, gid } = await stat(above)
  return (path) => chown(path, uid, gid)
}
