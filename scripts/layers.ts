// Checks who imports whom: ranks of folders, one folder a package, no imports of scripts or
// tests from src, and no console outside events/log.ts and admin. TypeScript 7 has no JavaScript
// API, so import lines are read as text.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const RANK: Record<string, number> = {
  base: 0,
  mail: 1,
  dns: 2,
  queue: 2,
  policy: 2,
  events: 2,
  listen: 3,
  delivery: 3,
  admin: 4,
  '.': 5,
}
const IMPORT = /(?:^|\n)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]/g

const wrongs: string[] = []
const users = new Map<string, Set<string>>()

for (const file of globSync('src/**/*.ts')) {
  const folder = folderOf(file)
  const rank = RANK[folder]
  if (rank === undefined)
    wrongs.push(`${file}: folder "${folder}" has no rank in scripts/layers.ts`)
  const text = readFileSync(file, 'utf8')
  for (const [, name = ''] of text.matchAll(IMPORT)) checkImport(file, folder, rank ?? 0, name)
  if (
    /\bconsole\./.test(text) &&
    folder !== 'admin' &&
    folder !== '.' &&
    file !== 'src/events/log.ts'
  )
    wrongs.push(`${file}: console belongs to events/log.ts and the command line`)
}
for (const [name, folders] of users)
  if (folders.size > 1)
    wrongs.push(`${name}: imported by ${[...folders].join(', ')}, should be one`)

for (const wrong of wrongs) console.error(wrong)
process.exitCode = wrongs.length > 0 ? 1 : 0

function folderOf(file: string): string {
  const parts = normalize(file).split('/')
  return parts.length === 2 ? '.' : parts[1]!
}

function checkImport(file: string, folder: string, rank: number, name: string): void {
  if (name.startsWith('node:')) return
  if (!name.startsWith('.')) {
    const parts = name.split('/')
    const root = name.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
    if (folder === 'base') wrongs.push(`${file}: base may import node: only, not "${name}"`)
    users.set(root, (users.get(root) ?? new Set()).add(folder))
    return
  }
  const target = normalize(join(dirname(file), name))
  if (target === 'package.json') return
  if (!target.startsWith('src/')) {
    wrongs.push(`${file}: imports "${name}" outside src`)
    return
  }
  const other = folderOf(target)
  if (other === folder) return
  if ((RANK[other] ?? 9) >= rank) wrongs.push(`${file}: ${folder}/ may not import ${other}/`)
}
