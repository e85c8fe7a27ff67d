// Checks who imports whom: ranks of folders, rooms within a folder in their order, no circle of
// files, one folder a package, no imports of scripts or tests from src, and no console outside
// events/log.ts and admin. Says which files are over 300 lines. TypeScript 7 has no JavaScript API,
// so import lines are read as text.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const RANK: Record<string, number> = {
  base: 0,
  mail: 1,
  store: 1,
  smtp: 2,
  dns: 2,
  queue: 2,
  policy: 2,
  events: 2,
  submit: 3,
  listen: 4,
  delivery: 4,
  sink: 4,
  settings: 5,
  admin: 5,
  start: 6,
  '.': 7,
}
/** Rooms of a folder, and files that stand in it alone: each imports only from those before it. */
const ROOMS: Record<string, readonly string[]> = {
  queue: [
    'port',
    'ids.ts',
    'fits.ts',
    'holds.ts',
    'settled.ts',
    'events.ts',
    'fresh.ts',
    'sqlite',
    'bullmq',
  ],
  'queue/port': [
    'types.ts',
    'intake.ts',
    'outflow.ts',
    'history.ts',
    'reader.ts',
    'control.ts',
    'queue.ts',
  ],
  'queue/sqlite': ['schema', 'read', 'write', 'client', 'queue.ts'],
  'queue/bullmq': [
    'link',
    'calls',
    'content',
    's3',
    'place.ts',
    'read',
    'write',
    'remote.ts',
    'rebuild.ts',
    'words.ts',
    'queue.ts',
  ],
  submit: [
    'verdict.ts',
    'refusals.ts',
    'header',
    'admission.ts',
    'authors.ts',
    'submission.ts',
    'deliveries.ts',
    'mail.ts',
    'events.ts',
    'message.ts',
    'flow.ts',
    'content.ts',
  ],
  listen: ['words', 'door', 'dialogue', 'session', 'certificate.ts', 'listener.ts'],
  admin: ['context.ts', 'story', 'query', 'control', 'cli', 'commands', 'commands.ts'],
  delivery: [
    'connection.ts',
    'settle',
    'trouble',
    'decide',
    'sign',
    'wire',
    'connect',
    'hosts',
    'notice',
    'site',
    'attempt',
    'draw',
    'outbound.ts',
    'delivery.ts',
  ],
}
/** Node's own resolver hides TTLs and the AD bit: who asks it must mean the machine's hosts file. */
const LOOKS_UP = 'src/dns/system.ts'
const MOST_LINES = 300
const IMPORT = /(?:^|\n)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]/g

const wrongs: string[] = []
const long: string[] = []
/** Folders that import a package. */
const users = new Map<string, Set<string>>()
/** Files that a file imports. */
const graph = new Map<string, string[]>()

for (const file of globSync('src/**/*.ts').map(normalize).sort()) {
  const text = readFileSync(file, 'utf8')
  const lines = text.split('\n').length - 1
  if (lines > MOST_LINES) long.push(`${file} (${lines})`)
  const folder = topOf(file)
  if (RANK[folder] === undefined) wrongs.push(`${file}: folder "${folder}" has no rank`)
  checkRoom(file)
  graph.set(file, [])
  for (const [, name = ''] of text.matchAll(IMPORT)) checkImport(file, name)
  const mayPrint = folder === 'admin' || folder === '.' || file === 'src/events/log.ts'
  if (/\bconsole\./.test(text) && !mayPrint)
    wrongs.push(`${file}: console belongs to events/log.ts and the command line`)
}
for (const folder of new Set([...graph.keys()].map(topOf))) if (folder !== '.') checkMap(folder)
for (const folder of Object.keys(ROOMS).filter(
  (name) => name.startsWith('queue/') && name !== 'queue/port',
))
  checkMap(folder)
for (const [name, folders] of users)
  if (folders.size > 1)
    wrongs.push(`${name}: imported by ${[...folders].join(', ')}, should be one`)
for (const circle of circles()) wrongs.push(`Files import each other: ${circle.join(', ')}`)

if (long.length > 0) console.log(`Over ${MOST_LINES} lines: ${long.join(', ')}`)
for (const wrong of wrongs) console.error(wrong)
process.exitCode = wrongs.length > 0 ? 1 : 0

function topOf(file: string): string {
  const parts = file.split('/')
  return parts.length === 2 ? '.' : parts[1]!
}

function checkRoom(file: string): void {
  for (const [folder, rooms] of Object.entries(ROOMS)) {
    const room = roomIn(folder, file)
    if (room !== undefined && !rooms.includes(room))
      wrongs.push(`${file}: "${room}" is no room of ${folder}/ in scripts/layers.ts`)
  }
}

/** Each folder has a map, which names its rooms. */
function checkMap(folder: string): void {
  const path = `src/${folder}/README.md`
  const map = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (map === '') wrongs.push(`${path}: is missing, should say what the folder promises`)
  for (const room of ROOMS[folder]?.filter((name) => !name.endsWith('.ts')) ?? [])
    if (map !== '' && !map.includes(`${room}/`)) wrongs.push(`${path}: does not name ${room}/`)
}

/** The part of the path right below the folder; nothing where the file is elsewhere. */
function roomIn(folder: string, file: string): string | undefined {
  return file.startsWith(`src/${folder}/`) ? file.slice(folder.length + 5).split('/')[0] : undefined
}

function checkImport(file: string, name: string): void {
  if (name.startsWith('node:dns') && file !== LOOKS_UP)
    wrongs.push(`${file}: names are asked of dns/, and of the system by ${LOOKS_UP} alone`)
  if (name.startsWith('node:')) return
  if (!name.startsWith('.')) return checkPackage(file, name)
  const target = normalize(join(dirname(file), name))
  if (target === 'package.json') return
  if (!target.startsWith('src/')) {
    wrongs.push(`${file}: imports "${name}" outside src`)
    return
  }
  graph.get(file)!.push(target)
  const [folder, other] = [topOf(file), topOf(target)]
  if (other !== folder && (RANK[other] ?? 9) >= (RANK[folder] ?? 0))
    wrongs.push(`${file}: ${folder}/ may not import ${other}/`)
  for (const [within, rooms] of Object.entries(ROOMS)) {
    const [room, its] = [roomIn(within, file), roomIn(within, target)]
    if (room !== undefined && its !== undefined && rooms.indexOf(its) > rooms.indexOf(room))
      wrongs.push(`${file}: ${within}/${room} may not import ${within}/${its}`)
  }
}

function checkPackage(file: string, name: string): void {
  const parts = name.split('/')
  const root = name.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
  const folder = topOf(file)
  if (folder === 'base') wrongs.push(`${file}: base may import node: only, not "${name}"`)
  users.set(root, (users.get(root) ?? new Set()).add(folder))
}

/** Strongly connected files: Tarjan's algorithm. */
function circles(): string[][] {
  const found: string[][] = []
  const stack: string[] = []
  const order = new Map<string, number>()
  /** The earliest file that each can come back to. */
  const low = new Map<string, number>()
  const visit = (file: string): number => {
    const mine = order.size
    order.set(file, mine)
    low.set(file, mine)
    stack.push(file)
    for (const other of graph.get(file) ?? []) {
      const back = order.has(other)
        ? stack.includes(other)
          ? order.get(other)!
          : mine
        : visit(other)
      low.set(file, Math.min(low.get(file)!, back))
    }
    if (low.get(file) === mine) {
      const circle = stack.splice(stack.indexOf(file))
      if (circle.length > 1) found.push(circle)
    }
    return low.get(file)!
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return found
}
