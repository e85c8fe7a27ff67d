// The tarball that `npm pack` makes runs where it is installed: JavaScript without our checkout,
// with its threads, its policies and its command.

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import metadata from '../../package.json' with { type: 'json' }
import { startMx } from '../peers/mx.ts'
import { run, startProcess, until, type Ran } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'

let folder: string
// npm's own scripts, and `npx waypost`, are to find the Node that runs the tests.
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-install-'))
  await succeed('npm', ['pack', '--pack-destination', folder])
  await writeFile(join(folder, 'package.json'), '{ "name": "elsewhere", "private": true }\n')
  const tarball = join(folder, `waypost-${metadata.version}.tgz`)
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--prefix', folder]
  await succeed('npm', ['install', ...quiet, tarball])
}, 180_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the installed command says its version', async () => {
  const { out } = await succeed('npx', ['--prefix', folder, 'waypost', '--version'])
  expect(out.trim()).toBe(metadata.version)
})

test('no TypeScript is installed, and the shipped configuration is', async () => {
  const home = join(folder, 'node_modules', 'waypost')
  const { out } = await succeed('find', [home, '-name', '*.ts'])
  expect(out).toBe('')
  expect(existsSync(join(home, 'dist', 'shipped', 'policies', 'relay.yaml'))).toBe(true)
})

test('the installed relay takes a message and delivers it', async () => {
  await using mx = await startMx()
  const script = join(folder, 'node_modules', 'waypost', 'scripts', 'waypost.js')
  await using relay = await startProcess({ hop: mx.port, program: [process.execPath, script] })
  await using talk = await openTalk(relay.port)
  const mail = { from: 'app@near.example', to: ['ok@far.example'], content: numbered(1, 500_000) }
  expect(await sendMail(talk, mail)).toMatch(/^250 2\.0\.0 queued as /)
  await until(
    () => mx.taken.length === 1,
    () => relay.said(),
  )
  await until(async () => (await relay.entries('--state', 'delivered')).length === 1, 'its end')
  expect(await relay.stop()).toBe(0)
})

async function succeed(program: string, words: readonly string[]): Promise<Ran> {
  const ran = await run(program, words, env)
  if (ran.code !== 0) throw new Error(`${program} ${words.join(' ')}: ${ran.out}${ran.err}`)
  return ran
}
