#!/usr/bin/env -S node --max-semi-space-size=64
// The command `waypost`. Plain JavaScript that an older Node can read: it finds the Node that the
// relay needs and runs src/cli.ts in a checkout, or dist/cli.cjs where it was installed.
//
// The flag above gives new objects room to die before they are copied: a message is short-lived, and
// with the default much of it was moved twice. It costs less CPU and, as it turned out, less memory.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import os from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = [24, 15]
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'src', 'cli.ts')
const program = existsSync(source) ? source : join(root, 'dist', 'cli.cjs')
// In a checkout `npm ci` brings one; where the package was installed, one may stand beside it.
const home = dirname(root)
const isInstalled = basename(home) === 'node_modules'
const bundled = [join(root, 'node_modules'), ...(isInstalled ? [home] : [])]
  .map((folder) => join(folder, 'node', 'bin', 'node'))
  .find((path) => existsSync(path))

// Signing is done by Node's pool of threads. Four on two processors keep the thread that talks SMTP
// from its turn; four on sixteen leave twelve idle.
const processors = os.availableParallelism?.() ?? os.cpus().length // Node 16 has the other
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(2, processors))

if (isEnough(process.versions.node)) {
  await import(pathToFileURL(program).href)
} else if (bundled !== undefined) {
  runWith(bundled)
} else {
  console.error(
    `waypost needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}. Write: ${advice()}`,
  )
  process.exitCode = 1
}

// A Node of the system stays as it is: npm does not write over /usr/bin/node, and others need it.
function advice() {
  if (!isInstalled) return `npm ci --prefix ${root}`
  if (basename(dirname(home)) === 'lib') return 'npm install -g --prefix /usr/local node@24'
  return `npm install --prefix ${dirname(home)} node@24`
}

function isEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

// Ctrl-C on a terminal reaches both processes; any other signal is sent to this one alone and
// passed on, once, because a second one would end the relay at once.
function runWith(node) {
  const child = spawn(node, [...process.execArgv, program, ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  child.on('error', (error) => {
    console.error(`waypost: Cannot run "${node}": ${error.message}. Write: ${advice()}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (os.constants.signals[signal] ?? 0)
  })
}
