#!/usr/bin/env -S node --max-semi-space-size=64
// The command `waypost`. Plain JavaScript that an older Node can read: it finds the Node that the
// relay needs and runs src/cli.ts in a checkout, or dist/cli.js where it was installed.
//
// The flag above gives new objects room to die before they are copied: a message is short-lived, and
// with the default much of it was moved twice. It costs less CPU and, as it turned out, less memory.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = [24, 15]
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'src', 'cli.ts')
const program = existsSync(source) ? source : join(root, 'dist', 'cli.js')
const bundled = join(root, 'node_modules', 'node', 'bin', 'node')

// Signing is done by Node's pool of threads. Four on two processors keep the thread that talks SMTP
// from its turn; four on sixteen leave twelve idle.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(2, availableParallelism()))

if (isEnough(process.versions.node)) {
  await import(pathToFileURL(program).href)
} else if (existsSync(bundled)) {
  runWith(bundled)
} else {
  console.error(
    `waypost needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}. ` +
      'Install a newer Node, or `npm install node@24` beside it',
  )
  process.exitCode = 1
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
    console.error(`waypost: Cannot run "${node}": ${error.message}; \`npm ci\` brings it`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}
