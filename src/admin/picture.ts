// What a person sees when the relay has started on a terminal: where mail comes in, what keeps it,
// what decides, and how to send a first message.

import { relative } from 'node:path'
import type { Policy } from '../policy/policy.ts'
import type { Status } from './control.ts'
import { wrap } from './wrap.ts'

export function picture(
  status: Status,
  engine: string,
  policy: Policy,
  columns = process.stdout.columns,
): string {
  const listen = status.listeners.map(
    ({ scheme, host, port }) => `${scheme}://${bracketed(host)}:${port}`,
  )
  const folder = relative(process.cwd(), status.config) || '.'
  const present = policy.files.filter(({ missing }) => !missing)
  const empty = policy.files.filter(({ missing }) => missing)
  const rows: [string, string][] = [
    ['mail in', listen.join('  ')],
    ['engine', engine],
    ['config', `${folder}: ${present.map(({ name, rules }) => `${name} (${rules})`).join(', ')}`],
    ...empty.map(({ name }): [string, string] => ['missing', `${name}: counts as empty`]),
    ...policy.warnings.map(({ at, text }): [string, string] => ['note', `${at}: ${text}`]),
    [
      'metrics',
      status.admin === undefined ? 'nowhere (WAYPOST_ADMIN=none)' : `${status.admin}/metrics`,
    ],
    ['try it', `${COMMAND} send you@example.com`],
    ['stop', 'Ctrl-C: attempts under way finish first'],
  ]
  const lines = rows.flatMap(([name, text]) => wrap(`  ${name.padEnd(9)}${text}`, columns, 11))
  return [`Waypost ${status.version} on ${status.hostname}`, ...lines, ''].join('\n')
}

// In a checkout npm knows the command; where it is installed, the shell does.
const COMMAND = import.meta.filename.endsWith('.ts') ? 'npx waypost' : 'waypost'

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
