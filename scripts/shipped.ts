// The configuration that a package or an image carries: policies/ and queues/ as the project has them,
// never as somebody has edited them here.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

const PARTS = ['policies', 'queues']
/** What the project ships empty: users and keys are somebody's own. */
const EMPTY = ['policies/users.yaml', 'policies/signing.yaml']

/** Copies from what Git has, else from the folder, which then must hold no users and no keys. */
export function copyShipped(root: string, to: string, tell: (text: string) => void): void {
  const names = tracked(root)
  if (names.length === 0) return copyFolder(root, to)
  for (const name of names) {
    mkdirSync(dirname(join(to, name)), { recursive: true })
    writeFileSync(join(to, name), git(root, 'show', `HEAD:./${name}`))
  }
  const changed = git(root, 'status', '--porcelain', '--', ...PARTS).toString()
  if (changed !== '')
    tell(
      `What is shipped has these files as they were committed; your changes stay here:\n${changed}`,
    )
}

function tracked(root: string): string[] {
  try {
    const listed = git(root, 'ls-tree', '-r', '--name-only', 'HEAD', '--', ...PARTS).toString()
    return listed.split('\n').filter((name) => name !== '')
  } catch {
    return [] // no Git, or no checkout: an image is built from the files alone
  }
}

function copyFolder(root: string, to: string): void {
  for (const name of EMPTY)
    if ((parse(readFileSync(join(root, name), 'utf8')) ?? undefined) !== undefined)
      throw new Error(
        `Cannot build: ${name} would be shipped to everybody, and it is not empty; your own configuration belongs into the folder that \`waypost init\` writes`,
      )
  for (const part of PARTS) cpSync(join(root, part), join(to, part), { recursive: true })
}

function git(root: string, ...words: string[]): Buffer {
  return execFileSync('git', ['-C', root, ...words], { stdio: ['ignore', 'pipe', 'ignore'] })
}
