// The trace field that we put on top (RFC 5321 4.4), and the fields that an application left
// out (RFC 6409 8). What a client said of itself is cut down to what cannot break a header.

import { isUtf8 } from 'node:buffer'
import type { Address } from '../../mail/address.ts'
import type { Submitter } from '../../mail/envelope.ts'
import { formatAddress, needsSmtpUtf8, parseDomain } from '../../mail/address.ts'
import { formatDate } from '../../mail/date.ts'

export interface Trace {
  readonly by: string
  readonly tls: string | undefined
  readonly id: string
  /** Named only when it is the only one: the others are nobody's business. */
  readonly recipient: Address | undefined
  readonly at: number
}

export function receivedField(submitter: Submitter, trace: Trace): string {
  const { recipient } = trace
  const named =
    recipient === undefined || needsSmtpUtf8(recipient)
      ? ''
      : `\r\n\tfor <${formatAddress(recipient)}>`
  return (
    `Received: ${fromClause(submitter, trace.tls)}` +
    `by ${trace.by} with ${submitter.protocol} id ${trace.id}${named};\r\n\t${formatDate(trace.at)}\r\n`
  )
}

/** Empty where the message came by no network. */
function fromClause({ client, hello }: Submitter, tls: string | undefined): string {
  if (client === undefined) return ''
  const literal = clientLiteral(client)
  const secured = tls === undefined ? '' : `\r\n\t(${tls})`
  return `from ${hello ?? literal} (${literal})${secured}\r\n\t`
}

/** As bytes in latin1, like the whole header: an address beyond ASCII is UTF-8 there (RFC 6532). */
export function fromField(author: Address): string {
  // Dots that RFC 5322 3.4.1 does not allow stand in a quoted string, which means the same.
  const wrong = /^\.|\.\.|\.$/.test(author.local) && !author.local.includes('"')
  const local = wrong ? `"${author.local}"` : author.local
  return Buffer.from(`From: <${local}@${author.domain}>\r\n`).toString('latin1')
}

/** What a client calls itself as `Received` may carry it: a domain, a literal, or what is left of it. */
export function traceName(hello: string): string {
  const name = decodeUtf8(hello)
  const domain = name === undefined ? undefined : parseDomain(name)
  return domain ?? (hello.replaceAll(/[^A-Za-z0-9._-]/g, '?').slice(0, 255) || '?')
}

/** The text has one character a byte, and names beyond ASCII come in UTF-8. */
function decodeUtf8(text: string): string | undefined {
  const bytes = Buffer.from(text, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : undefined
}

function clientLiteral(client: string): string {
  return client.includes(':') ? `[IPv6:${client}]` : `[${client}]`
}
