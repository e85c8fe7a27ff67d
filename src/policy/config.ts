// Which config folder is in force, and how one is written. What is shipped is never edited in place:
// an update brings it anew, and a package or an image made here would carry it to others.

import { existsSync } from 'node:fs'
import { chown, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder } from '../base/folder.ts'
import { besideCode, IS_CHECKOUT, ROOT } from '../base/package.ts'

/** In a checkout its top folder; `npm run build` puts a copy beside what it compiles. */
export const SHIPPED = IS_CHECKOUT ? ROOT : besideCode('', 'shipped')

export interface ConfigPlaces {
  /** Where an operator's own configuration is, or would be written. */
  readonly own: string
  /** What is read until there is one; absent where WAYPOST_CONFIG decides. */
  readonly shipped?: string
}

/** The folder of `policies/` and `queues/` that counts now. */
export function configInForce({ own, shipped }: ConfigPlaces): string {
  return shipped === undefined || existsSync(join(own, 'policies')) ? own : shipped
}

/**
 * For a relay that runs: from the shipped configuration to an operator's own as soon as there is one,
 * and never back. One that is gone is a mistake, and no reason to send mail by other rules.
 */
export function followConfig(places: ConfigPlaces): () => string {
  let found = configInForce(places)
  return () => (found === places.own ? found : (found = configInForce(places)))
}

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
