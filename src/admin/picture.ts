// What a person sees when the relay has started on a terminal: where mail comes in, what keeps it,
// what decides, and how to send a first message.

import { relative } from 'node:path'
import type { Policy } from '../policy/policy.ts'
import type { Status } from './control.ts'

export function picture(status: Status, engine: string, policy: Policy): string {
  const listen = status.listeners.map(
    ({ scheme, host, port }) => `${scheme}://${bracketed(host)}:${port}`,
  )
  const folder = relative(process.cwd(), status.config) || '.'
  const present = policy.files.filter(({ missing }) => !missing)
  const missing = policy.files.filter((file) => file.missing)
  const rows: [string, string][] = [
    ['mail in', listen.join('  ')],
    ['engine', engine],
    ['config', `${folder}: ${present.map(({ name, rules }) => `${name} (${rules})`).join(', ')}`],
    ...(missing.length > 0
      ? [
          ['missing', `${missing.map(({ name }) => name).join(', ')}: count as empty`] as [
            string,
            string,
          ],
        ]
      : []),
    ...policy.warnings.map(({ at, text }): [string, string] => ['note', `${at}: ${text}`]),
    [
      'metrics',
      status.admin === undefined ? 'nowhere (WAYPOST_ADMIN=none)' : `${status.admin}/metrics`,
    ],
    ['try it', 'npx waypost send you@example.com'],
    ['stop', 'Ctrl-C: attempts under way finish first'],
  ]
  const lines = rows.map(([name, text]) => `  ${name.padEnd(9)}${text}`)
  return [`Waypost ${status.version} on ${status.hostname}`, ...lines, ''].join('\n')
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
