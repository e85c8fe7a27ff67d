// The name servers that are asked: those that an operator names, or the system's.

import { getServers } from 'node:dns'
import { isIPv6 } from 'node:net'

export interface NameServer {
  readonly host: string
  readonly port: number
}

const SERVERS = 3

/** Throws when the operator wrote what is no `host:port`; of the system's, takes what it can read. */
export function readServers(text: string | undefined): NameServer[] {
  if (text !== undefined) return text.split(',').map((part) => readServer(part.trim()))
  const servers = getServers().map((part) => parseServer(part))
  const known = servers.filter((server) => server !== undefined).slice(0, SERVERS)
  return known.length === 0 ? [{ host: '127.0.0.1', port: 53 }] : known
}

function readServer(text: string): NameServer {
  const server = parseServer(text)
  if (server !== undefined) return server
  throw new Error(`Cannot read name server "${text}": want host:port such as 127.0.0.1:53`)
}

// `[::1]:53`, `::1`, or a name or an IPv4 address, with or without a port.
const SERVER = /^(?:\[([^[\]\s]+)\]|([^:[\]\s]+)|([^[\]\s]*:[^[\]\s]*:[^[\]\s]*))(?::(\d{1,5}))?$/

function parseServer(text: string): NameServer | undefined {
  const match = SERVER.exec(text)
  const port = Number(match?.[4] ?? 53)
  if (match === null || port < 1 || port > 65_535) return undefined
  const six = match[1] ?? match[3]
  if (six !== undefined && !isIPv6(six)) return undefined
  return { host: six ?? match[2]!, port }
}
