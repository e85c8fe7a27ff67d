#!/usr/bin/env -S node --max-semi-space-size=64
// The command `waypost`. Plain JavaScript that an older Node can read: it finds the Node that the
// relay needs and runs src/cli.ts in a checkout, or dist/cli.cjs where it was installed.
//
// The flag above gives new objects room to die before they are copied: a message is short-lived, and
// with the default much of it was moved twice. It costs less CPU and, as it turned out, less memory.

const NEEDED = [24, 15]

if (isEnough(process.versions.node)) await runHere()
else await findNewer()

function isEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

// An `import` of a module of Node loads much of Node, which takes longer than all that is done here.
async function runHere() {
  const { existsSync, statSync } = process.getBuiltinModule('node:fs')
  const { availableParallelism } = process.getBuiltinModule('node:os')
  const path = process.getBuiltinModule('node:path')
  const { createRequire, enableCompileCache } = process.getBuiltinModule('node:module')
  // Signing is done by Node's pool of threads. Four on two processors keep the thread that talks SMTP
  // from its turn; four on sixteen leave twelve idle.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(2, availableParallelism()))
  const root = path.join(import.meta.dirname, '..')
  if (!existsSync(path.join(root, 'src', 'cli.ts')))
    return createRequire(import.meta.url)('../dist/cli.cjs')
  // Without types, so that they need not be stripped anew. It lies among the packages, where nobody can
  // write who could not change those, and is their owner's: nobody else leaves files there.
  const packages = path.join(root, 'node_modules')
  if (statSync(packages, { throwIfNoEntry: false })?.uid === process.getuid())
    enableCompileCache(path.join(packages, '.cache', 'waypost'))
  await import('../src/cli.ts')
}

async function findNewer() {
  const { existsSync, realpathSync } = await import('node:fs')
  const { default: path } = await import('node:path')
  const { fileURLToPath } = await import('node:url')
  const script = fileURLToPath(import.meta.url)
  const root = path.join(path.dirname(script), '..')
  // In a checkout `npm ci` brings one; where the package was installed, one may stand beside it.
  // One that is too old itself comes here again, and ends.
  const home = path.dirname(root)
  const isInstalled = path.basename(home) === 'node_modules'
  const bundled = [path.join(root, 'node_modules'), ...(isInstalled ? [home] : [])]
    .map((folder) => path.join(folder, 'node', 'bin', 'node'))
    .find((node) => existsSync(node) && realpathSync(node) !== process.execPath)
  const advice = adviceFor()
  if (bundled !== undefined) return runWith(bundled, script, advice)
  console.error(
    `waypost needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}. Write: ${advice}`,
  )
  process.exitCode = 1

  // A Node of the system stays as it is: npm does not write over /usr/bin/node, and others need it.
  function adviceFor() {
    if (!isInstalled) return `npm ci --prefix ${root}`
    if (path.basename(path.dirname(home)) === 'lib')
      return 'npm install -g --prefix /usr/local node@24'
    return `npm install --prefix ${path.dirname(home)} node@24`
  }
}

async function runWith(node, script, advice) {
  const words = [...process.execArgv, script, ...process.argv.slice(2)]
  const { spawn } = await import('node:child_process')
  const { constants } = await import('node:os')
  const child = spawn(node, words, { stdio: 'inherit' })
  // Ctrl-C on a terminal reaches both processes; any other signal is sent to this one alone and
  // passed on, once, because a second one would end the relay at once.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  child.on('error', (error) => {
    console.error(`waypost: Cannot run "${node}": ${error.message}. Write: ${advice}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}
