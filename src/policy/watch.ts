// The policy of this moment. Files, keys and passwords are looked at every few seconds, and at
// once where the system says that something moved. A new version is used only when it is whole and
// without a mistake, and has stopped changing; until then the old one stays.

import { readdir, stat } from 'node:fs/promises'
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { dirname, join } from 'node:path'
import { pause, systemClock } from '../base/clock.ts'
import type { Cancel, Clock } from '../base/clock.ts'
import { PolicyError } from './findings.ts'
import { load } from './load.ts'
import type { Loaded } from './load.ts'
import type { Policy, PolicyProblem, PolicySource } from './policy.ts'
import type { Environment } from './secret.ts'

export interface Pace {
  readonly clock: Clock
  /** Milliseconds between looks when nothing is heard. */
  readonly look: number
  /** Milliseconds without change before files are read: who writes them may be half-way. */
  readonly settle: number
}

const PACE: Pace = { clock: systemClock, look: 3000, settle: 150 }

/**
 * The folder may become another while it is watched. Rejects with `PolicyError` when the first version has a mistake; a later one that has is
 * reported once, and the version before it goes on.
 */
export async function watchPolicy(
  folder: string | (() => string),
  env: Environment,
  onProblem: (error: unknown) => void,
  pace: Pace = PACE,
): Promise<PolicySource> {
  const find = typeof folder === 'string' ? (): string => folder : folder
  const version = await readVersion(find(), env, [])
  const { policy, findings } = version.loaded
  if (policy === undefined) throw new PolicyError(version.folder, findings)
  return new Watch(find, env, onProblem, pace, version, policy)
}

interface Version {
  readonly folder: string
  readonly loaded: Loaded
  /** What all its files looked like before they were read. */
  readonly seen: string
}

/** Looks first, and reads again when it learns of files that it has not looked at. */
async function readVersion(
  folder: string,
  env: Environment,
  files: readonly string[],
): Promise<Version> {
  const seen = await lookAt(folder, files)
  const loaded = await load(folder, env)
  const same = loaded.files.join('\n') === files.join('\n')
  return same ? { folder, loaded, seen } : readVersion(folder, env, loaded.files)
}

class Watch implements PolicySource {
  readonly #find: () => string
  readonly #env: Environment
  readonly #onProblem: (error: unknown) => void
  readonly #pace: Pace
  readonly #listeners: ((policy: Policy) => void)[] = []
  #policy: Policy
  #problem: PolicyProblem | undefined
  #folder: string
  #files: readonly string[]
  #seen: string
  #ears: FSWatcher[] = []
  #next: Cancel = () => {}
  #looking: Promise<void> | undefined
  #heard = false
  #closed = false

  constructor(
    find: () => string,
    env: Environment,
    onProblem: (error: unknown) => void,
    pace: Pace,
    version: Version,
    policy: Policy,
  ) {
    this.#find = find
    this.#folder = version.folder
    this.#env = env
    this.#onProblem = onProblem
    this.#pace = pace
    this.#policy = policy
    this.#files = version.loaded.files
    this.#seen = version.seen
    this.#listen()
    this.#wait(pace.look)
  }

  current(): Policy {
    return this.#policy
  }

  folder(): string {
    return this.#folder
  }

  problem(): PolicyProblem | undefined {
    return this.#problem
  }

  onChange(listener: (policy: Policy) => void): void {
    this.#listeners.push(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#next()
    for (const ear of this.#ears) ear.close()
    await this.#looking
  }

  #wait(milliseconds: number): void {
    this.#next()
    if (!this.#closed) this.#next = this.#pace.clock.after(milliseconds, () => this.#look())
  }

  // One look at a time; what is heard meanwhile leads to another.
  #look(): void {
    if (this.#looking !== undefined || this.#closed) return
    this.#heard = false
    this.#looking = this.#refresh()
      .catch((error: unknown) => this.#onProblem(error))
      .finally(() => {
        this.#looking = undefined
        this.#wait(this.#heard ? this.#pace.settle : this.#pace.look)
      })
  }

  async #refresh(): Promise<void> {
    if (!(await this.#isNew())) return
    const { folder, loaded, seen } = await readVersion(this.#find(), this.#env, this.#files)
    if (this.#closed) return
    // Also of a version with a mistake: it is told once, and mending a key is noticed.
    this.#seen = seen
    this.#files = loaded.files
    this.#listen()
    const { policy, findings } = loaded
    if (policy === undefined) return this.#fail(new PolicyError(folder, findings))
    this.#problem = undefined
    this.#policy = policy
    this.#folder = folder
    for (const listener of this.#listeners) listener(policy)
  }

  #fail(error: PolicyError): void {
    const since = this.#problem?.since ?? this.#pace.clock.now()
    this.#problem = { since, text: error.message }
    this.#onProblem(error)
  }

  /** Something has changed, and two looks agree on what. */
  async #isNew(): Promise<boolean> {
    const first = await lookAt(this.#find(), this.#files)
    if (first === this.#seen) return false
    await pause(this.#pace.clock, this.#pace.settle)
    this.#heard = (await lookAt(this.#find(), this.#files)) !== first
    return !this.#heard
  }

  // Folders, not files: a rename over a file leaves a watch on the old one. Where watching fails
  // (too many watches, a network disk) the looks remain.
  #listen(): void {
    for (const ear of this.#ears) ear.close()
    const folders = new Set([
      join(this.#find(), 'policies'),
      join(this.#find(), 'queues'),
      ...this.#files.map((file) => dirname(file)),
    ])
    this.#ears = [...folders].flatMap((folder) => this.#ear(folder) ?? [])
  }

  #ear(folder: string): FSWatcher | undefined {
    try {
      const ear = watch(folder, { persistent: false }, () => this.#hear())
      return ear.on('error', () => ear.close())
    } catch {
      return undefined
    }
  }

  // The first of many: a folder in which much happens must not put the look off for ever.
  #hear(): void {
    if (this.#heard) return
    this.#heard = true
    if (this.#looking === undefined) this.#wait(this.#pace.settle)
  }
}

/** What changes when a file does: its name, node, size and time. */
async function lookAt(folder: string, files: readonly string[]): Promise<string> {
  const parts = await Promise.all(['policies', 'queues'].map((part) => listing(join(folder, part))))
  const marks = await Promise.all([...parts.flat(), ...files].map(mark))
  return marks.join('\n')
}

async function listing(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'))
    .map((name) => join(folder, name))
}

async function mark(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return `${path} ${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs}`
}
