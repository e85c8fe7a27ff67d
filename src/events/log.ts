// The log: one line an event, written in batches. When the reader of the pipe is slow, lines are
// kept up to a limit and then dropped and counted; the relay never waits for its log.

import type { RelayEvent, Report } from '../mail/event.ts'
import { jsonLine, textLine, type Line } from './lines.ts'

/** What a log writes to: `process.stdout`, or anything that says when it has taken a text. */
export interface LogOutput {
  write(text: string, done: (error?: Error | null) => void): unknown
}

export interface LogOptions {
  readonly output: LogOutput
  readonly format: 'json' | 'text' | 'off'
  /** Characters kept while the output is busy. */
  readonly limit?: number
}

export interface Log extends AsyncDisposable {
  readonly report: Report
  /** Lines that nobody will read. */
  readonly dropped: number
}

const LIMIT = 4 * 1024 * 1024
// A reader that has stopped must not keep the relay from ending.
const LAST_WORDS = 1000

export function createLog({ output, format, limit = LIMIT }: LogOptions): Log {
  return format === 'off'
    ? SILENT
    : new BatchLog(output, format === 'json' ? jsonLine : textLine, limit)
}

const SILENT: Log = { report: () => {}, dropped: 0, [Symbol.asyncDispose]: async () => {} }

class BatchLog implements Log {
  readonly #output: LogOutput
  readonly #line: Line
  readonly #limit: number
  #pending = ''
  #writing = false
  /** The reader is gone: whoever restarts it restarts us. */
  #broken = false
  #scheduled = false
  #dropped = 0
  #told = 0
  #emptied: (() => void) | undefined

  constructor(output: LogOutput, line: Line, limit: number) {
    this.#output = output
    this.#line = line
    this.#limit = limit
  }

  get dropped(): number {
    return this.#dropped
  }

  readonly report = (event: RelayEvent): void => {
    const isFull = this.#broken || this.#pending.length >= this.#limit
    const line = isFull ? undefined : this.#line(event)
    if (isFull) this.#dropped++
    if (line === undefined) return
    this.#pending += line + '\n'
    if (this.#writing || this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  /** Writes what is left, for a bounded time. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#writing && this.#pending === '') return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#emptied = resolve
    const timer = setTimeout(resolve, LAST_WORDS)
    if (!this.#writing) this.#flush()
    await promise
    clearTimeout(timer)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    if (this.#writing) return
    const text = this.#pending + this.#tellDropped()
    if (text === '') return this.#emptied?.()
    this.#pending = ''
    this.#writing = true
    try {
      this.#output.write(text, this.#written)
    } catch (error) {
      this.#written(error as Error)
    }
  }

  readonly #written = (error?: Error | null): void => {
    this.#writing = false
    if (error instanceof Error) {
      this.#broken = true
      this.#pending = ''
      return this.#emptied?.()
    }
    this.#flush()
  }

  #tellDropped(): string {
    const count = this.#dropped - this.#told
    if (count === 0) return ''
    this.#told = this.#dropped
    const text = `${count} log lines were dropped, because the reader of the log is too slow`
    return this.#line({ kind: 'note', at: Date.now(), level: 'warn', text }) + '\n'
  }
}
