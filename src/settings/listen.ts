// Where mail comes in.

import { row, type ValuesOf } from './row.ts'
import * as values from './values.ts'

export const LISTEN = {
  listen: row(
    'WAYPOST_LISTEN',
    'smtp://127.0.0.1:2525',
    values.readListen,
    'Where mail comes in: smtp:// (STARTTLS offered when there is a certificate; on loopback only as smtp://127.0.0.1:2525?starttls, since local programs would take it and doubt the name), submission:// (TLS and AUTH required) or submissions:// (implicit TLS and AUTH required), comma-separated',
  ),
  tlsCert: row(
    'WAYPOST_TLS_CERT',
    '',
    values.readPath,
    'Certificate chain of the listeners (PEM), reloaded when it changes',
  ),
  tlsKey: row(
    'WAYPOST_TLS_KEY',
    '',
    values.readPath,
    'Private key of the listeners (PEM), reloaded when it changes',
  ),
  postmaster: row(
    'WAYPOST_POSTMASTER',
    '',
    values.readPostmaster,
    'Where <Postmaster> without a domain goes; default: postmaster@ and the host name',
  ),
} as const

export type ListenSettings = ValuesOf<typeof LISTEN>

/** What cannot be meant. */
export function listenProblems({ listen, tlsCert, tlsKey }: ListenSettings): string[] {
  const problems: string[] = []
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    problems.push('WAYPOST_TLS_CERT and WAYPOST_TLS_KEY: only one is set, set both or neither')
  if (tlsCert === undefined && listen.some(({ scheme }) => scheme !== 'smtp'))
    problems.push(
      'WAYPOST_LISTEN: submission and submissions need a certificate, set WAYPOST_TLS_CERT and WAYPOST_TLS_KEY',
    )
  return problems
}
