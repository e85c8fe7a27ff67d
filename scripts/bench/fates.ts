// What a relay's log says became of each recipient, read while it is written.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

export interface Fate {
  readonly kind: 'delivered' | 'deferred' | 'bounced' | 'suspended'
  readonly to: string
  /** Attempts so far; absent: this was one more. */
  readonly attempts?: number
  readonly reply: string
}

/** The recipients of one log. Times are of `performance.now()`, as of when it was read. */
export class Fates implements Disposable {
  readonly delivered = new Map<string, number>()
  readonly bounced = new Set<string>()
  /** Attempts that ended in a deferral. */
  burnt = 0
  /** Recipients who were told to wait, each time. */
  deferred = 0
  /** Times that a destination was told to wait. */
  suspended = 0
  /** Why they waited, and how often. */
  readonly reasons = new Map<string, number>()
  #attempts = new Map<string, number>()
  #file: number
  #at = 0
  #rest = ''
  #parse: (line: string) => Fate | undefined

  constructor(log: string, parse: (line: string) => Fate | undefined) {
    this.#file = openSync(log, 'r')
    this.#parse = parse
  }

  /** Reads what was written since. */
  read(): void {
    const now = performance.now()
    const added = Buffer.alloc(fstatSync(this.#file).size - this.#at)
    this.#at += readSync(this.#file, added, 0, added.length, this.#at)
    const lines = (this.#rest + added.toString('latin1')).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      const fate = this.#parse(line)
      if (fate !== undefined) this.#note(fate, now)
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }

  #note({ kind, to, attempts, reply }: Fate, now: number): void {
    if (kind === 'suspended') this.suspended++
    if (kind === 'bounced') this.bounced.add(to)
    if (kind === 'delivered' && !this.delivered.has(to)) this.delivered.set(to, now)
    if (kind === 'delivered' || kind === 'bounced') return
    this.reasons.set(reply, (this.reasons.get(reply) ?? 0) + 1)
    if (kind === 'suspended') return
    this.deferred++
    const before = this.#attempts.get(to) ?? 0
    const after = attempts ?? before + 1
    this.burnt += Math.max(0, after - before)
    this.#attempts.set(to, after)
  }
}

interface WaypostLine {
  readonly event: string
  readonly to?: string
  readonly attempts?: number
  readonly reply?: string
  readonly reason?: string
  readonly stage?: string
}

export function ofWaypost(line: string): Fate | undefined {
  const fields = JSON.parse(line) as WaypostLine
  const { event, to = '', attempts, reply = '', reason = '', stage } = fields
  if (event === 'suspended') return { kind: event, to: '', reply: reason }
  if (event === 'delivered' || event === 'deferred')
    return { kind: event, to, reply, ...(attempts === undefined ? {} : { attempts }) }
  return event === 'refused' && stage !== undefined ? { kind: 'bounced', to, reply } : undefined
}

const KINDS = { sent: 'delivered', deferred: 'deferred', bounced: 'bounced' } as const

export function ofPostfix(line: string): Fate | undefined {
  const found = / to=<([^>]+)>.* status=(sent|deferred|bounced) \((.*)\)$/.exec(line)
  if (found === null) return undefined
  return { kind: KINDS[found[2] as keyof typeof KINDS], to: found[1]!, reply: found[3]! }
}
