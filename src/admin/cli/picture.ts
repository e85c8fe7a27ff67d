// What a person sees when the relay has started on a terminal: where mail comes in, what keeps it,
// what decides, and how to send a first message.

import { relative } from 'node:path'
import { IS_CHECKOUT } from '../../base/package.ts'
import type { Policy } from '../../policy/policy.ts'
import type { EngineStatus, Role } from '../../queue/port/control.ts'
import type { StandingHold } from '../../queue/port/reader.ts'
import { effectOf } from '../story/holds.ts'
import { wrap } from './wrap.ts'

/** What the relay says of itself. */
export interface Status {
  readonly version: string
  readonly hostname: string
  readonly startedAt: number
  readonly roles: readonly Role[]
  /** Where mail comes in, with the ports that were really opened. */
  readonly listeners: readonly {
    readonly scheme: 'smtp' | 'submission' | 'submissions'
    readonly host: string
    readonly port: number
  }[]
  /** Where health and metrics are. */
  readonly admin?: string | undefined
  /** The folder that the policies are read from. */
  readonly config: string
  /** It is what came with the relay: nobody has written another yet. */
  readonly isShipped: boolean
}

interface Standing {
  readonly holds?: readonly StandingHold[]
}

export function picture(
  status: Status,
  { engine, at, content, durability, trouble, holds = [] }: EngineStatus & Standing,
  policy: Policy,
  columns = process.stdout.columns,
): string {
  const listen = status.listeners.map(formatListener)
  const folder = status.isShipped ? 'as shipped' : nearest(status.config)
  const present = policy.files.filter(({ missing }) => !missing)
  const empty = policy.files.filter(({ missing }) => missing)
  const rows: Row[] = [
    ['mail in', listen.length === 0 ? 'nowhere (WAYPOST_ROLES)' : listen.join('  ')],
    ...(status.roles.includes('deliver') ? [] : [['mail out', 'not here (WAYPOST_ROLES)'] as Row]),
    ['engine', `${engine} in ${at}`],
    ...(content === undefined ? [] : [['content', `in ${content}`] as Row]),
    ['250 means', durability],
    ...(trouble === undefined ? [] : [['trouble', trouble] as Row]),
    ...holds.map((hold): Row => ['held', effectOf(hold)]),
    ['config', `${folder}: ${present.map(({ name, rules }) => `${name} (${rules})`).join(', ')}`],
    ...empty.map(({ name }): Row => ['missing', `${name}: counts as empty`]),
    ...policy.warnings.map(({ at, text }): Row => ['note', `${at}: ${text}`]),
    [
      'metrics',
      status.admin === undefined ? 'nowhere (WAYPOST_ADMIN=none)' : `${status.admin}/metrics`,
    ],
    ...(status.isShipped ? [['your own', `${COMMAND} init`] as Row] : []),
    ['try it', `${COMMAND} send YOUR@OWN.ADDRESS`],
    ['stop', 'Ctrl-C: attempts under way finish first'],
  ]
  const lines = rows.flatMap(([name, text]) => wrap(`  ${name.padEnd(11)}${text}`, columns, 13))
  return [`Waypost ${status.version} on ${status.hostname}`, ...lines, ''].join('\n')
}

// `npx waypost` elsewhere than in a checkout would fetch a stranger's package.
const COMMAND = IS_CHECKOUT ? './waypost' : 'waypost'

// From a folder far away the whole path is easier to read than a row of `../`.
function nearest(path: string): string {
  const short = relative(process.cwd(), path) || '.'
  return short.startsWith('..') ? path : short
}

type Row = [name: string, text: string]

export function formatListener({ scheme, host, port }: Status['listeners'][number]): string {
  return `${scheme}://${bracketed(host)}:${port}`
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
