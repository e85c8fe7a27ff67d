// What each command loads, as a process of its own: packages and folders of src/. Whoever waits for a
// command waits for this first.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, matchesGlob } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesOf } from '../../src/admin/commands.ts'
import { startControl } from '../../src/admin/control/control.ts'
import { systemClock } from '../../src/base/clock.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { run } from '../peers/process.ts'

const ROOT = join(import.meta.dirname, '../..')
const SCRIPT = join(ROOT, 'scripts/waypost.js')

/** What any command may load: to read the settings, to come to the queue, to print. */
const ALWAYS = [
  'admin',
  'base',
  'cli.ts',
  'commander',
  'delivery/hosts/private-networks.ts',
  'dns/servers.ts',
  'engine.ts',
  'mail',
  'policy/config.ts',
  'policy/findings.ts',
  'queue/*.ts',
  'queue/port',
  'queue/bullmq/link/address.ts',
  'queue/bullmq/s3/address.ts',
  'settings',
]
const SQLITE = ['queue/sqlite']
const POLICY = ['policy', 'yaml']

const CASES: [words: string, also: string[]][] = [
  ['--help', []],
  ['--version', []],
  ['settings', []],
  ['init', ['policy/copy.ts']],
  // No relay runs: it reads the queue and the files itself.
  ['status', [...SQLITE, ...POLICY]],
  ['processes', []],
  ['queue --help', []],
  ['queue list', SQLITE],
  ['queue show ID', SQLITE],
  ['queue content ID', SQLITE],
  ['queue counts', SQLITE],
  ['queue holds', SQLITE],
  ['queue retry ID', []],
  ['queue hold ID --reason outage', []],
  ['queue release ID', []],
  ['queue refuse ID --reason spam', []],
  ['queue cancel ID --reason slip', []],
  ['queue rebuild', []],
  ['trace ID', SQLITE],
  ['send bo@far.example', []],
  ['sink --listen 192.0.2.1:2526', ['sink']],
  ['policy check', POLICY],
  ['policy explain routing', POLICY],
  ['policy schema routing', POLICY],
  ['policy route app@near.example bo@far.example', POLICY],
  ['user add bo --generate', POLICY],
  ['user password bo --generate', POLICY],
  ['user list', POLICY],
  ['user remove bo', POLICY],
  ['key new example.com', []],
  ['key check example.com', [...POLICY, 'dns']],
  ['backup copy.db', []],
]

let folder = ''
let hook = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'waypost-loads-'))
  hook = join(folder, 'hook.mjs')
  const load = `load: (url, context, next) => (console.error('loads ' + url), next(url, context))`
  writeFileSync(hook, `import { registerHooks } from 'node:module'\nregisterHooks({ ${load} })\n`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

for (const [words, also] of CASES) {
  test(`\`waypost ${words}\` loads what it uses, and nothing else`, async () => {
    const loaded = await loadedBy(words)
    expect(loaded).toContain('cli.ts')
    const allowed = [...ALWAYS, ...also]
    const mayBe = (name: string): boolean =>
      allowed.some((each) => matchesGlob(name, each) || name.startsWith(`${each}/`))
    expect(loaded.filter((name) => !mayBe(name))).toEqual([])
  })
}

test('each command is told what it may load', () => {
  const told = CASES.map(([words]) => words)
  for (const { group, names } of filesOf([]))
    for (const name of names.filter((each) => each !== 'start')) {
      const words = [group, name].filter((word) => word !== undefined).join(' ')
      expect(told.filter((each) => each === words || each.startsWith(`${words} `))).not.toEqual([])
    }
})

test('a command loads no file of another command', async () => {
  const loaded = await loadedBy('queue list')
  const commands = loaded.filter((name) => name.startsWith('admin/commands/'))
  expect(commands).toEqual(['admin/commands/queue.ts'])
  for (const name of ['explain', 'keys', 'sink', 'conversation', 'ask', 'lookup'])
    expect(loaded).not.toContain(`admin/${name}.ts`)
})

test('the version loads no command', async () => {
  const loaded = await loadedBy('--version')
  expect(loaded.filter((name) => name.startsWith('admin/commands/'))).toEqual([])
})

test('while a relay runs nobody else opens its queue', async () => {
  const data = join(folder, 'running')
  const limits = { historyAge: 3_600_000, historySize: 1e9, diskReserve: 0 }
  await using queue = await openSqliteQueue({ folder: data, clock: systemClock, ...limits })
  await using _control = await startControl({ folder: data, queue })
  for (const words of ['status', 'queue list', 'trace 0am6e1h6800']) {
    const loaded = await loadedBy(words, data)
    expect(loaded).toContain('admin/control/remote.ts')
    expect(
      loaded.filter((name) => /^(queue\/sqlite|policy\/(?!config|findings))/.test(name)),
    ).toEqual([])
  }
})

test('types are stripped once, and what is left is kept beside the packages', async () => {
  const say =
    "process.on('exit', () => console.error(process.getBuiltinModule('module').getCompileCacheDir()))"
  const words = ['--import', `data:text/javascript,${say}`, SCRIPT, '--version']
  const { err } = await run(process.execPath, words, { ...process.env, NODE_COMPILE_CACHE: '' })
  expect(err.trim().split('/').slice(-5, -1)).toEqual([
    basename(ROOT),
    'node_modules',
    '.cache',
    'waypost',
  ])
})

/** Packages, and files of src/. In the data folder that is used else no relay runs, and there is no queue. */
async function loadedBy(words: string, data = folder): Promise<string[]> {
  const env = { ...process.env, WAYPOST_DATA: data, WAYPOST_CONFIG: folder }
  const { err } = await run(process.execPath, ['--import', hook, SCRIPT, ...words.split(' ')], env)
  const paths = [...err.matchAll(/^loads file:\/\/(.*)$/gm)].map(([, path = '']) => path)
  const names = paths.map((path) =>
    path.includes('/node_modules/')
      ? /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)![1]!
      : path.slice(path.indexOf('/src/') + '/src/'.length),
  )
  return [...new Set(names)].filter((name) => !name.endsWith('waypost.js'))
}
