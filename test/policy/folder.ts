// A config folder for one test: files by the names that findings use (`relay.yaml`,
// `queues/urgent.yaml`), anything else (keys) relative to the folder itself.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadPolicy } from '../../src/policy/load.ts'
import type { Policy } from '../../src/policy/policy.ts'

export interface ConfigFolder extends AsyncDisposable {
  readonly path: string
  pathOf(name: string): string
  write(name: string, text: string | Buffer): Promise<void>
}

export async function createFolder(
  files: Readonly<Record<string, string | Buffer>> = {},
): Promise<ConfigFolder> {
  const path = await mkdtemp(join(tmpdir(), 'waypost-policy-'))
  const pathOf = (name: string): string =>
    join(path, name.includes('/') || !name.endsWith('.yaml') ? name : `policies/${name}`)
  const folder: ConfigFolder = {
    path,
    pathOf,
    async write(name, text) {
      await mkdir(dirname(pathOf(name)), { recursive: true })
      await writeFile(pathOf(name), text)
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
  await mkdir(join(path, 'policies'))
  await mkdir(join(path, 'queues'))
  for (const [name, text] of Object.entries(files)) await folder.write(name, text)
  return folder
}

/** The policy of these files. */
export async function policyOf(
  files: Readonly<Record<string, string | Buffer>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Policy> {
  await using folder = await createFolder(files)
  return await loadPolicy(folder.path, env)
}
