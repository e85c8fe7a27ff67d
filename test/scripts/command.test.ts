// scripts/waypost.js under a Node that is too old for the relay: it runs the one that stands beside it, or
// says what to write. The old one is today's, with another number.

import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run, type Ran } from '../peers/process.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waypost-command-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const PLACES: [where: string, home: string, node: string, advice: string][] = [
  [
    'installed with npm install -g',
    'lib/node_modules/waypost',
    'lib/node_modules/node',
    'npm install -g --prefix /usr/local node@24',
  ],
  [
    'installed in a folder',
    'node_modules/waypost',
    'node_modules/node',
    'npm install --prefix FOLDER node@24',
  ],
  ['in a checkout', 'waypost', 'waypost/node_modules/node', 'npm ci --prefix FOLDER/waypost'],
]
for (const [where, home, node, advice] of PLACES) {
  test(`${where}, the Node beside it is found`, async () => {
    install(home)
    write(join(node, 'bin/node'), '#!/bin/sh\nshift $(($# - 2))\necho "ran $@"\n')
    expect(await waypost(home)).toMatchObject({ code: 0, out: 'ran status --json\n' })
  })

  test(`${where} without one, it says what to write`, async () => {
    install(home)
    const { code, err } = await waypost(home)
    expect(code).toBe(1)
    expect(err).toBe(
      `waypost needs Node 24.15 or newer, this is 18.20.4. Write: ${advice.replace('FOLDER', folder)}\n`,
    )
  })
}

test('a Node beside it that is too old as well is run once', async () => {
  install('node_modules/waypost')
  mkdirSync(join(folder, 'node_modules/node/bin'), { recursive: true })
  symlinkSync(process.execPath, join(folder, 'node_modules/node/bin/node'))
  const { code, err } = await waypost('node_modules/waypost')
  expect([code, err]).toEqual([1, expect.stringMatching(/^waypost needs Node .*node@24\n$/)])
})

test('a checkout that cannot be written to runs all the same', async () => {
  install('waypost')
  write('waypost/src/cli.ts', "const said: string = 'ran'\nconsole.log(said)\n")
  write('waypost/node_modules', 'a file where the folder should be')
  const script = join(folder, 'waypost/scripts/waypost.js')
  expect(await run(process.execPath, [script])).toMatchObject({ code: 0, out: 'ran\n', err: '' })
})

test('a Node that is nobody’s package is not run', async () => {
  install('src/waypost')
  write('src/node/bin/node', '#!/bin/sh\necho stranger\n')
  expect((await waypost('src/waypost')).code).toBe(1)
})

function install(home: string): void {
  const script = join(folder, home, 'scripts/waypost.js')
  mkdirSync(dirname(script), { recursive: true })
  cpSync(join(import.meta.dirname, '../../scripts/waypost.js'), script)
  write(join(home, 'package.json'), '{ "type": "module" }')
  const old = "Object.defineProperty(process.versions, 'node', { value: '18.20.4' })\n"
  write('old.cjs', old)
}

function write(name: string, text: string): void {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  chmodSync(path, 0o755)
}

function waypost(home: string): Promise<Ran> {
  const script = join(folder, home, 'scripts/waypost.js')
  return run(process.execPath, ['-r', join(folder, 'old.cjs'), script, 'status', '--json'])
}
