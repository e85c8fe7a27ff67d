// This process among the others that share the queue: its name and tag, its signs of life, and the ids
// that it gives, which no other gives too.

import { randomInt } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

import type { Clock } from '../../../base/clock.ts'
import { Repeat } from '../../../base/repeat.ts'
import { createIds, formatId } from '../../ids.ts'
import type { About, ProcessEntry } from '../../port/control.ts'
import type { MessageId } from '../../port/types.ts'
import type { Caller } from './caller.ts'
import type { Link } from '../link/link.ts'
import { askTime } from '../link/time.ts'
import type { LeaseTime } from '../link/time.ts'

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'
const TAG = 3
/** A clock that jumped by more than this was set. */
const JUMP = 1000

/** What tells this process from others; it begins with the tag of its ids. */
export function newProcessId(): string {
  return randomText(TAG + 6)
}

/** What tells its ids from those of others: random, and registered with every sign of life. */
export function tagOf(me: string): string {
  return me.slice(0, TAG)
}

function randomText(length: number): string {
  return Array.from({ length }, () => DIGITS[randomInt(DIGITS.length)]).join('')
}

/** An id that this engine gave: the time, and who gave it. */
export function isOwnId(id: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{14}$/.test(id)
}

/** What a process says of itself with every sign of life. */
export interface Said extends Omit<ProcessEntry, 'id' | 'isDead'> {
  /** Where pids mean the same: this machine since it was started, and the process's view of it. */
  readonly home?: string
}

const HOME = findHome()

function findHome(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return undefined
  }
}

/** It ran where we do, and is no more: nobody has to wait for its leases. */
export function isGone({ home, pid }: Said): boolean {
  if (home === undefined || home !== HOME) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

export interface BeatOptions {
  readonly link: Link
  readonly caller: Caller
  readonly clock: Clock
  readonly time: LeaseTime
  readonly about: () => About
  /** How long a process lives without a sign, in milliseconds. */
  readonly length: number
  /** Leases held now. */
  readonly leases: () => number
  /** Redis knows nothing of this process any more: all that was kept there is gone. */
  readonly emptied: () => void
}

export class Beat {
  #options: BeatOptions
  #startedAt: number
  #tag: string
  #number: () => number
  #repeat: Repeat | undefined
  #known = false

  constructor(options: BeatOptions, tag: string) {
    this.#options = options
    this.#startedAt = options.clock.now()
    this.#tag = tag
    this.#number = createIds(() => options.clock.now(), 0)
  }

  newId(): MessageId {
    return `${formatId(this.#number())}${this.#tag}` as MessageId
  }

  /** One sign of life; resolves with the milliseconds for which nothing is claimed. */
  async beat(): Promise<number> {
    const { link, caller, clock, time, length } = this.#options
    // The clock first: how long it is alive is measured by it.
    const wrong = await askTime(link.work, time, clock)
    if (Math.abs(wrong) > JUMP) await this.#pauseForRecovery()
    const given = { length, tag: this.#tag }
    const { value } = await caller.call(link.work, 'beat', given, JSON.stringify(this.#entry()))
    const [recoveryPause, mine, known] = value as [number, number, number]
    if (known === 0 && this.#known) this.#options.emptied()
    this.#known = true
    if (mine === 0) this.#tag = randomText(TAG)
    return recoveryPause
  }

  /** From now on every so often. */
  start(every: number, failed: (error: unknown) => void): void {
    const { clock } = this.#options
    const round = async (): Promise<void> => void (await this.beat())
    this.#repeat = new Repeat({ clock, every, round, failed })
  }

  stop(): void {
    void this.#repeat?.stop()
  }

  // The server's clock was set: what seems to have lapsed has not, until everybody has noticed.
  async #pauseForRecovery(): Promise<void> {
    const { link, caller, time, length } = this.#options
    await link.work.set(`${caller.prefix}/recovery-pause`, time.now() + length)
  }

  #entry(): Said {
    const { clock, leases } = this.#options
    return {
      ...this.#options.about(),
      host: hostname(),
      ...(HOME === undefined ? {} : { home: HOME }),
      pid: process.pid,
      startedAt: this.#startedAt,
      seenAt: clock.now(),
      leases: leases(),
    }
  }
}
