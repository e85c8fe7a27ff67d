// Programs that are not ours, as judges and peers: Debian packages that a test needs. Missing ones
// are installed when we are root; else the test is told why it has to be skipped, and so is whoever
// reads the output.
//
//   const missing = await need('opendkim')
//   test.skipIf(missing)('OpenDKIM accepts our signatures', …)

import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Worker processes of one test run come here at the same time, and apt serves one at a time.
const LOCK = join(tmpdir(), 'waypost-debian.lock')
// Without a network every attempt takes minutes; the next test file takes this one's word for it.
const FAILED = join(tmpdir(), 'waypost-debian.failed')
const FAILURE_HOLDS = 10 * 60_000
const PATIENCE = 8 * 60_000

/** `undefined` when all are there (now); else the reason, printed once, why they cannot be. */
export async function need(...packages: string[]): Promise<string | undefined> {
  const reason = await whyNot(packages)
  if (reason !== undefined) console.warn(`SKIPPED for want of ${packages.join(', ')}: ${reason}`)
  return reason
}

async function whyNot(packages: string[]): Promise<string | undefined> {
  const missing = await missingOf(packages)
  if (missing.length === 0) return undefined
  const list = missing.join(' ')
  if ((await run('which', ['apt-get', 'dpkg-query', 'flock'])).failed)
    return 'this machine has no apt-get, dpkg-query or flock'
  if (process.getuid?.() !== 0) return `not root; as root run: apt-get install ${list}`
  const earlier = await earlierFailure(list)
  if (earlier !== undefined) return earlier
  const { failed, text } = await run('flock', ['-w', '480', LOCK, 'sh', '-ec', INSTALL, 'sh', list])
  if (!failed && (await missingOf(packages)).length === 0) return undefined
  const reason = `apt-get install ${list} failed: ${lastLines(text)}`
  await writeFile(FAILED, `${list}\n${reason}`)
  return reason
}

// Postfix with "No configuration" asks nothing and starts nothing; RUNLEVEL=1 keeps services down.
// Package lists are fetched only where there are none, or where they are too old to be of use.
const INSTALL = `
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
install() { apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 $1; }
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections || true
install "$1" || { apt-get update -q; install "$1"; }
`

async function missingOf(packages: readonly string[]): Promise<string[]> {
  const states = await Promise.all(
    packages.map((name) => run('dpkg-query', ['-W', '-f', '${db:Status-Status}', name])),
  )
  return packages.filter((_, index) => states[index]?.text !== 'installed')
}

async function earlierFailure(list: string): Promise<string | undefined> {
  const age = await stat(FAILED).then(
    (file) => Date.now() - file.mtimeMs,
    () => Infinity,
  )
  if (age > FAILURE_HOLDS) return undefined
  const [packages, reason] = (await readFile(FAILED, 'utf8')).split('\n')
  return packages === list ? reason : undefined
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' | ')
}

interface Ran {
  readonly failed: boolean
  readonly text: string
}

function run(program: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: PATIENCE, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ failed: error !== null, text: error === null ? out : out + err })
    })
  })
}
