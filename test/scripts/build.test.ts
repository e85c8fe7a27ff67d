// What a command of the package loads: files of dist/, and modules of Node beside those that it starts
// with. Each costs a command part of a millisecond, or several.

import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startControl } from '../../src/admin/control/control.ts'
import { systemClock } from '../../src/base/clock.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { run } from '../peers/process.ts'

const ROOT = join(import.meta.dirname, '../..')

const SAY = `process.on('exit', () => {
  const files = Object.keys(require.cache).map((path) => path.split('/').slice(-2).join('/'))
  console.error('files ' + files.filter((path) => path.startsWith('dist/')).map((path) => path.slice(5)))
  console.error('modules ' + process.moduleLoadList.filter((name) => name.startsWith('NativeModule ')).map((name) => name.slice(13)))
})`

let folder = ''
let data = ''
const parts = new AsyncDisposableStack()
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waypost-build-'))
  for (const name of ['package.json', 'scripts/waypost.js'])
    cpSync(join(ROOT, name), join(folder, name))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'say.cjs'), SAY)
  const words = [join(ROOT, 'scripts/build.ts'), join(folder, 'dist')]
  const { code, err } = await run(process.execPath, words)
  if (code !== 0) throw new Error(`Cannot build: ${err}`)
  data = join(folder, 'data')
  const limits = { historyAge: 3_600_000, historySize: 1e9, diskReserve: 0 }
  const queue = await openSqliteQueue({ folder: data, clock: systemClock, ...limits })
  parts.use(queue)
  parts.use(await startControl({ folder: data, queue }))
}, 120_000)
afterAll(async () => {
  await parts.disposeAsync()
  rmSync(folder, { recursive: true, force: true })
})

/** To read the settings, to talk to the relay, and to print: net brings the others. */
const MODULES = ['net', 'os', 'stream', 'stream/promises', 'string_decoder']

const CASES: [words: string, code: number, files: string[]][] = [
  ['--version', 0, ['cli', 'shared']],
  ['status', 0, ['cli', 'common', 'rolldown-runtime', 'shared', 'status']],
  ['queue list', 0, ['cli', 'common', 'queue', 'rolldown-runtime', 'shared']],
  ['queue holds', 0, ['cli', 'common', 'queue', 'rolldown-runtime', 'shared']],
  [
    'trace 0am6e1h6800',
    1,
    ['cli', 'common', 'rolldown-runtime', 'shared', 'status', 'story', 'trace'],
  ],
]
for (const [words, code, files] of CASES) {
  test(`\`waypost ${words}\`, installed, loads ${files.length} files and nothing of Node that it does not use`, async () => {
    const bare = await loadedBy(['-e', '0'])
    const script = join(folder, 'scripts/waypost.js')
    const loaded = await loadedBy([script, ...words.split(' ')])
    expect([loaded.code, loaded.files]).toEqual([code, files])
    const more = loaded.modules.filter((name) => !bare.modules.includes(name))
    expect(more.filter((name) => !name.startsWith('internal/') && !MODULES.includes(name))).toEqual(
      [],
    )
    expect(more).not.toContain('internal/fs/promises')
  })
}

test('no thread of the embedded queue loads the command', async () => {
  for (const thread of ['worker', 'reader-thread']) {
    const path = join(folder, 'dist', `${thread}.cjs`)
    const { files } = await loadedBy(['-e', `try { require(${JSON.stringify(path)}) } catch {}`])
    expect(files.length).toBeGreaterThan(1) // by itself it ends in an error, and what it loaded stays
    expect(files).not.toContain('cli')
  }
})

async function loadedBy(
  words: string[],
): Promise<{ code: number | null; files: string[]; modules: string[] }> {
  const env = { ...process.env, WAYPOST_DATA: data, WAYPOST_HOSTNAME: 'relay.example' }
  const ran = await run(process.execPath, ['-r', join(folder, 'say.cjs'), ...words], env)
  const listOf = (name: string): string[] =>
    new RegExp(`^${name} (.+)$`, 'm').exec(ran.err)?.[1]?.split(',') ?? []
  // The bundler numbers files of one name.
  const files = listOf('files').map((file) => file.replace(/\d*\.cjs$/, ''))
  return { code: ran.code, files: files.sort(), modules: listOf('modules') }
}
