// What the relay asks of the kernel, as strace sees it, and failures that strace makes of it.
// It is attached to the running process, so that the start stays out of it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { need } from './debian.ts'
import { until } from './process.ts'

export interface Strace extends AsyncDisposable {
  /** The lines so far, in the order in which calls began or ended. */
  lines(): Promise<string[]>
  /** The calls that have ended, in the order in which they began. */
  calls(): Promise<Call[]>
  /** Lets go of the process, which goes on undisturbed. */
  detach(): Promise<void>
}

/** One call, whole, though those of other threads may have come while it lasted. */
export interface Call {
  readonly name: string
  /** Arguments and result, as strace prints them. */
  readonly text: string
  /** Places among the lines. */
  readonly began: number
  readonly ended: number
}

/** `undefined` when strace is there and may attach; else the reason, printed once, why not. */
export async function needStrace(): Promise<string | undefined> {
  const missing = await need('strace')
  if (missing !== undefined) return missing
  const child = spawn('sleep', ['60'])
  try {
    await using _ = await attach(child.pid!, '-e', 'trace=none')
    return undefined
  } catch (error) {
    const reason = `strace may not attach here: ${(error as Error).message}`
    console.warn(`SKIPPED: ${reason}`)
    return reason
  } finally {
    child.kill()
  }
}

/** Attaches with these options and resolves when every thread is seen. */
export async function attach(pid: number, ...options: string[]): Promise<Strace> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-strace-'))
  const file = join(folder, 'calls')
  const words = ['-f', '-yy', ...options, '-o', file, '-p', String(pid)]
  const child = spawn('strace', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(child, 'close')
  const detach = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  }
  await until(
    () => said.includes('attached') || child.exitCode !== null,
    () => said,
  )
  if (child.exitCode !== null) throw new Error(`strace ended: ${said}`)
  const lines = async (): Promise<string[]> => (await readFile(file, 'utf8')).split('\n')
  return {
    lines,
    calls: async () => callsOf(await lines()),
    detach,
    async [Symbol.asyncDispose]() {
      await detach()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const WHOLE = /^\d+ +(\w+)(\(.*)$/
const UNFINISHED = /^(\d+) +(\w+)(\(.*?) *<unfinished \.\.\.>$/
const RESUMED = /^(\d+) +<\.\.\. \w+ resumed>(.*)$/

/** What strace has cut in two, because another thread called in between, is put together again. */
function callsOf(lines: readonly string[]): Call[] {
  const open = new Map<string, Omit<Call, 'ended'>>()
  const calls: Call[] = []
  for (const [n, line] of lines.entries()) {
    const [, thread = '', name, text = ''] = UNFINISHED.exec(line) ?? []
    const [, back = '', rest] = RESUMED.exec(line) ?? []
    const [, whole, all = ''] = WHOLE.exec(line) ?? []
    const begun = open.get(back)
    if (name !== undefined) open.set(thread, { name, text, began: n })
    else if (begun !== undefined) calls.push({ ...begun, text: `${begun.text}${rest}`, ended: n })
    else if (whole !== undefined) calls.push({ name: whole, text: all, began: n, ended: n })
  }
  return calls.toSorted((one, other) => one.began - other.began)
}
