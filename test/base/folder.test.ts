import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeFolder } from '../../src/base/folder.ts'

test('a folder is made with those above it, for its owner alone', async () => {
  const root = await mkdtemp(join(tmpdir(), 'waypost-folder-'))
  const path = join(root, 'a', 'b')
  await makeFolder(path)
  await makeFolder(path)
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  await rm(root, { recursive: true })
})

test('a file in its place is no folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'waypost-folder-'))
  await writeFile(join(root, 'file'), '')
  await expect(makeFolder(join(root, 'file'))).rejects.toThrow('EEXIST')
  await rm(root, { recursive: true })
})

test('where no folder can be made it says so, and does not try for ever', async () => {
  await expect(makeFolder('/proc/nope/deeper')).rejects.toThrow('ENOENT')
})
