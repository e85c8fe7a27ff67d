// Mail servers that cannot be installed beside each other, each in a root folder of its own: the packages
// of Debian are fetched and unpacked there with the libraries of this machine, and run in a chroot. It
// needs root, and is gone with its scope.

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { end, openFolder, type Folder } from './programs.ts'

const run = promisify(execFile)
const FETCHING = 120_000
/** Of the accounts that its programs run as. */
const FIRST_ID = 64_000

export interface Root extends AsyncDisposable {
  readonly path: string
  /** Writes a file into it; folders on the way are made. */
  write(path: string, text: string): void
  /** Runs a program in it to its end. */
  run(program: string, ...words: string[]): Promise<void>
  /** Starts a program in it, which ends with the scope. */
  start(program: string, ...words: string[]): void
  /** What the programs that were started have printed last. */
  printed(): string
  /** The number of one of its accounts. */
  idOf(user: string): number
}

export interface Unpacked {
  readonly packages: readonly string[]
  readonly programs: readonly string[]
  /** Names of the accounts that its programs run as. */
  readonly users: readonly string[]
}

/**
 * The root, or why it cannot be had.
 * @param cache a folder for the packages, which are fetched once
 */
export async function openRoot(unpacked: Unpacked, cache: string): Promise<Root | string> {
  if (process.getuid?.() !== 0) return 'not root'
  const folder = await openFolder()
  try {
    await unpack(folder.path, unpacked, await fetched(unpacked, cache))
    return createRoot(folder, unpacked.users)
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    return `${unpacked.packages.join(' ')} cannot be unpacked: ${String(error).split('\n').slice(0, 2).join(' ')}`
  }
}

async function fetched({ packages }: Unpacked, cache: string): Promise<string> {
  const debs = join(cache, packages[0]!)
  if (existsSync(debs)) return debs
  const part = `${debs}.part`
  mkdirSync(part, { recursive: true })
  await run('apt-get', ['download', '-q', ...packages], { cwd: part, timeout: FETCHING })
  renameSync(part, debs)
  return debs
}

async function unpack(path: string, { programs, users }: Unpacked, debs: string): Promise<void> {
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, deb), path])
  for (const folder of [
    'dev',
    'etc',
    'tmp',
    'run',
    'var/run',
    'var/log',
    'var/mail',
    'var/spool',
    'usr/lib',
  ])
    mkdirSync(join(path, folder), { recursive: true })
  await run('chmod', ['1777', join(path, 'tmp')])
  await run('mknod', ['-m', '666', join(path, 'dev/null'), 'c', '1', '3'])
  await run('mknod', ['-m', '666', join(path, 'dev/urandom'), 'c', '1', '9'])
  for (const program of ['/bin/sh', ...programs]) await copyLibraries(path, program)
  copyFileSync('/bin/sh', makeWay(join(path, 'bin/sh')))
  await run('chmod', ['755', join(path, 'bin/sh')])
  writeFileSync(join(path, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n')
  writeFileSync(join(path, 'etc/group'), 'root:x:0:\n')
  writeFileSync(join(path, 'etc/hosts'), '127.0.0.1 localhost mx.far.test\n')
  writeFileSync(join(path, 'etc/nsswitch.conf'), 'hosts: files\n')
  users.forEach((name, n) => {
    const id = FIRST_ID + n
    appendFileSync(join(path, 'etc/passwd'), `${name}:x:${id}:${id}::/:/bin/false\n`)
    appendFileSync(join(path, 'etc/group'), `${name}:x:${id}:\n`)
  })
}

// The libraries that it names: those of its packages, else of this machine.
async function copyLibraries(path: string, program: string): Promise<void> {
  const inside = join(path, program)
  const own = (await readdir(join(path, 'usr/lib'))).filter((name) => name.endsWith('-linux-gnu'))
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: own.map((name) => join(path, 'usr/lib', name)).join(':'),
  }
  const { stdout } = await run('ldd', [existsSync(inside) ? inside : program], { env })
  for (const [, library] of stdout.matchAll(/(?:=> )?(\/\S+) \(/g)) {
    const target = library!.startsWith(path) ? library! : join(path, library!)
    if (!existsSync(target)) copyFileSync(library!, makeWay(target))
  }
}

function makeWay(file: string): string {
  mkdirSync(dirname(file), { recursive: true })
  return file
}

function createRoot(folder: Folder, users: readonly string[]): Root {
  const { path } = folder
  const children: ChildProcess[] = []
  const printed = join(path, 'out')
  return {
    path,
    write: (file, text) => writeFileSync(makeWay(join(path, file)), text),
    async run(program, ...words) {
      await run('chroot', [path, program, ...words])
    },
    start(program, ...words) {
      const out = openSync(printed, 'a')
      const child = spawn('chroot', [path, program, ...words], { stdio: ['ignore', out, out] })
      closeSync(out)
      children.push(child)
    },
    printed: () => (existsSync(printed) ? readFileSync(printed, 'utf8').slice(-500) : ''),
    idOf: (user) => FIRST_ID + users.indexOf(user),
    async [Symbol.asyncDispose]() {
      for (const child of children) await end(child)
      await folder[Symbol.asyncDispose]()
    },
  }
}
