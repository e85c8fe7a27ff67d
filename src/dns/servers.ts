// The name servers that are asked, as an operator names them in WAYPOST_DNS and as the system does.

import { ipVersion } from '../base/network.ts'

export interface NameServer {
  readonly host: string
  readonly port: number
}

const EXAMPLE = '127.0.0.1:53, [::1]:53 or dns.example:53, several separated by commas'

/** What an operator wrote; throws a sentence that says what should be written. */
export function readServers(text: string): NameServer[] {
  return text.split(',').map((part) => {
    const server = parseServer(part.trim())
    if (server !== undefined) return server
    throw new Error(`"${part.trim()}" is no name server, write its address and port: ${EXAMPLE}`)
  })
}

// `[::1]:53`, `::1`, or a name or an IPv4 address, with or without a port.
const SERVER = /^(?:\[([^[\]\s]+)\]|([^:[\]\s]+)|([^[\]\s]*:[^[\]\s]*:[^[\]\s]*))(?::(\d{1,5}))?$/
const NAME =
  /^(?!.{254})(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/i

export function parseServer(text: string): NameServer | undefined {
  const match = SERVER.exec(text)
  const port = Number(match?.[4] ?? 53)
  if (match === null || port < 1 || port > 65_535) return undefined
  const six = match[1] ?? match[3]
  if (six !== undefined) return ipVersion(six) === 6 ? { host: six, port } : undefined
  const host = match[2]!
  return ipVersion(host) === 4 || isName(host) ? { host, port } : undefined
}

/** One that ends in a number is an address that somebody mistyped: the system would read 10.1 as 10.0.0.1. */
function isName(text: string): boolean {
  return NAME.test(text) && !/(?:^|\.)\d+\.?$/.test(text)
}
