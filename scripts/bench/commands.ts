// What a command takes beside a Node that does nothing, installed as npm installs it and from a checkout: this
// tree and, when it is named, another, in turn and in one run. A relay runs, and a few messages are queued.
//
//   git worktree add /tmp/before COMMIT && (cd /tmp/before && npm ci)
//   npm run bench commands -- --tree /tmp/before

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { startDns } from '../../test/peers/dns.ts'
import { byMx } from './destinations.ts'
import { openFolder } from './programs.ts'
import { median } from './rates.ts'
import { startRelay, type Relay } from './relay.ts'
import { send } from './source.ts'

const TURNS = 10
const QUEUED = 5

interface Tree {
  /** The command in the checkout, and where it was installed. */
  readonly checkout: string
  readonly installed: string
  readonly relay: Relay
  /** The message that is traced. */
  readonly id: string
}

export async function measureCommands(other: string | undefined): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const dns = parts.use(await startDns({ 'dead.test': 'servfail' }))
  const trees: Tree[] = []
  // The first is what the other is compared with.
  for (const folder of [...(other === undefined ? [] : [resolve(other)]), resolve('.')])
    trees.push(await openTree(folder, dns.server, parts))
  console.log(
    `  milliseconds above a bare Node, medians of ${TURNS}${trees.length > 1 ? ': before → now, ratio' : ''}`,
  )
  for (const way of ['installed', 'checkout'] as const)
    for (const words of [['--version'], ['status'], ['queue', 'list'], ['trace', 'ID']])
      measure(way, words, trees)
}

async function openTree(folder: string, dns: string, parts: AsyncDisposableStack): Promise<Tree> {
  const { path } = parts.use(await openFolder())
  npm(folder, ['pack', '--pack-destination', path])
  const tarball = join(
    path,
    readdirSync(path).find((name) => name.endsWith('.tgz'))!,
  )
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund']
  npm(path, ['install', '-g', ...quiet, '--prefix', join(path, 'prefix'), tarball])
  const relay = parts.use(await startRelay({ tree: folder, environment: byMx(dns, 9) }))
  const mail = { messages: QUEUED, sessions: 1, bytes: 4096 }
  await send(relay.port, { ...mail, recipient: (n) => `rcpt${n}@dead.test` })
  const checkout = join(folder, 'scripts/waypost.js')
  const { id } = JSON.parse(run(checkout, ['queue', 'list', '--limit', '1', '--json'], relay)) as {
    id: string
  }
  return { checkout, installed: join(path, 'prefix/bin/waypost'), relay, id }
}

function npm(cwd: string, words: readonly string[]): void {
  const { status, stderr } = spawnSync('npm', words, { cwd, env: environment(), encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm ${words[0]} in ${cwd} failed: ${stderr}`)
}

function measure(
  way: 'installed' | 'checkout',
  words: readonly string[],
  trees: readonly Tree[],
): void {
  const programs = [
    () => run('node', ['-e', '0'], trees[0]!.relay),
    ...trees.map((tree) => () => {
      const given = words.map((word) => (word === 'ID' ? tree.id : word))
      run(tree[way], given, tree.relay)
    }),
  ]
  for (const program of programs) program() // what is kept of compiled code is there by then
  const times = programs.map((): number[] => [])
  for (let turn = 0; turn < TURNS; turn++)
    for (const [n, program] of programs.entries()) {
      const start = performance.now()
      program()
      times[n]!.push(performance.now() - start)
    }
  const [bare, above] = aboveBare(times, median)
  // What other work takes from a run is in the median, and hardly in the least.
  const [, least] = aboveBare(times, (each) => Math.min(...each))
  console.log(
    `    ${way.padEnd(10)} ${words.join(' ').padEnd(11)} ${compared(above)} (bare ${bare.toFixed(0)}), least ${compared(least)}`,
  )
}

function aboveBare(
  times: readonly number[][],
  of: (times: readonly number[]) => number,
): [bare: number, above: number[]] {
  const [bare = 0, ...others] = times.map(of)
  return [bare, others.map((each) => each - bare)]
}

function compared(above: readonly number[]): string {
  const ratio = above.length === 2 ? `, ratio ${(above[1]! / above[0]!).toFixed(2)}` : ''
  return above.map((each) => each.toFixed(0)).join(' → ') + ratio
}

function run(program: string, words: readonly string[], relay: Relay): string {
  const env = { ...environment(), WAYPOST_DATA: relay.data, WAYPOST_HOSTNAME: 'relay.bench.test' }
  const { status, stdout, stderr } = spawnSync(program, words, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} failed: ${stderr}`)
  return stdout
}

// Node and npm are those that run this.
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` }
}
