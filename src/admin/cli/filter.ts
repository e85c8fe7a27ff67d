// The filters of the queue commands: options as operators write them, and the queue's filter
// that they mean.

import { InvalidArgumentError, type Command } from 'commander'
import { formatAddress, parseAddress, parseDomain } from '../../mail/address.ts'
import { STATES, type State } from '../../mail/outcome.ts'
import type { Filter } from '../../queue/port/reader.ts'
import { CommandError } from '../context.ts'
import { collect, readCount, readTime } from './options.ts'

export interface FilterOptions {
  readonly id?: readonly string[]
  readonly to?: string
  readonly from?: string
  readonly domain?: string
  readonly destination?: string
  readonly queue?: string
  readonly state?: readonly State[]
  readonly olderThan?: number
  readonly newerThan?: number
  readonly attempts?: number
  readonly reply?: string
}

export const WAITING: readonly State[] = ['waiting', 'sending', 'held']

// No policy suppresses mail yet: who looks for help need not look for that.
const SHOWN = STATES.filter((state) => state !== 'suppressed')

export function addFilters(command: Command): Command {
  return command
    .option('--id <id>', 'message or delivery; may be given again', collect)
    .option('--to <address>', 'recipient: an address, or a domain', readWho)
    .option('--from <address>', 'sender: an address, or a domain; <> is the null sender', readWho)
    .option('--domain <domain>', 'domain of the recipient', readDomain)
    .option('--destination <name>', 'where routing sends it: far.example, or host:port')
    .option('--queue <name>', 'queue, as its file is named')
    .option('--state <state>', `${SHOWN.join(', ')}; may be given again`, collectState)
    .option('--older-than <time>', 'accepted longer ago than this: 30m, 2h, 5d', readTime)
    .option('--newer-than <time>', 'accepted within this time', readTime)
    .option('--attempts <count>', 'tried at least so often (scans)', readCount)
    .option('--reply <text>', 'part of the last reply (scans)')
}

/** States are those asked for; else the ones given here, unless ids say exactly which. */
export function filterOf(options: FilterOptions, now: number, states: readonly State[]): Filter {
  const chosen = options.state ?? (options.id === undefined ? states : undefined)
  return {
    ...(options.id === undefined ? {} : { ids: options.id }),
    ...(options.to === undefined ? {} : { to: options.to }),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.domain === undefined ? {} : { domain: options.domain }),
    ...(options.destination === undefined ? {} : { destination: options.destination }),
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    ...(chosen === undefined ? {} : { states: chosen }),
    ...(options.olderThan === undefined ? {} : { acceptedBefore: now - options.olderThan }),
    ...(options.newerThan === undefined ? {} : { acceptedAfter: now - options.newerThan }),
    ...(options.attempts === undefined ? {} : { minAttempts: options.attempts }),
    ...(options.reply === undefined ? {} : { reply: options.reply }),
  }
}

/** The names of the filters that were given. */
export function givenFilters(options: FilterOptions): (keyof FilterOptions)[] {
  const names = [
    'id',
    'to',
    'from',
    'domain',
    'destination',
    'queue',
    'state',
    'olderThan',
    'newerThan',
    'attempts',
    'reply',
  ] as const
  return names.filter((name) => options[name] !== undefined)
}

/** Rejects ids that cannot be any, so that a slip is told before the queue is asked. */
export function checkIds(ids: readonly string[]): readonly string[] {
  const wrong = ids.find((id) => !/^[A-Za-z0-9_.-]{1,128}$/.test(id))
  if (wrong === undefined) return ids
  throw new CommandError(`"${wrong}" is no id, take one from \`waypost queue list\``, 2)
}

function collectState(text: string, before: readonly State[] = []): readonly State[] {
  const state = STATES.find((name) => name === text)
  if (state === undefined) throw new InvalidArgumentError(`States are ${STATES.join(', ')}.`)
  return [...before, state]
}

function readWho(text: string): string {
  if (text === '<>' || text === '') return ''
  if (!text.includes('@')) return readDomain(text)
  const address = parseAddress(text)
  if (address === undefined)
    throw new InvalidArgumentError('Write an address such as bo@far.example, or a domain.')
  return formatAddress(address)
}

function readDomain(text: string): string {
  const domain = parseDomain(text)
  if (domain === undefined) throw new InvalidArgumentError('Write a domain such as far.example.')
  return domain
}
