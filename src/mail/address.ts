// Addresses and domains. Once a value has one of these types it is safe to put into an
// SMTP command, a lookup or a file. Local parts are opaque and keep their case (RFC 5321 2.3.11);
// domains are lower-case A-labels, or an address literal such as `[192.0.2.1]`.

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

declare const checked: unique symbol
export type Domain = string & { readonly [checked]: 'domain' }

export interface Address {
  readonly local: string
  readonly domain: Domain
}

/**
 * Words and dots: nothing outside of quotes that would end an SMTP command or its path early, and
 * no control character anywhere. Dots may stand where RFC 5321 4.1.2 has none (`ab..cd`, `abc.`):
 * large carriers have given such mailboxes away, and the next server decides.
 */
const LOCAL_PART = new RegExp(String.raw`^(?:${words()})(?:\.(?:${words()}))*$`, 'u')

function words(): string {
  return String.raw`[^\s"(),:;<>@[\\\]\p{Cc}.]*|"(?:[^"\\\p{Cc}]|\\[^\p{Cc}])*"`
}

/** What a path holds between its brackets, in octets (RFC 5321 4.5.3.1.3). */
const LONGEST = 254
// Underscores are no part of host names, and are met in mail domains all the same.
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** `undefined` when the text is no address a client may use (RFC 5321 4.1.2, 6531 3.3). */
export function parseAddress(text: string): Address | undefined {
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at)
  if (at <= 0 || local.length > LONGEST || !LOCAL_PART.test(local)) return undefined
  const domain = parseDomain(text.slice(at + 1))
  if (domain === undefined) return undefined
  // A local part has 64 octets by RFC 5321 4.5.3.1.1, and more wherever somebody forwards mail.
  return Buffer.byteLength(local) + 1 + domain.length > LONGEST ? undefined : { local, domain }
}

/** The domain in the one form that is compared, routed and sent; `undefined` when it is none. */
export function parseDomain(text: string): Domain | undefined {
  if (text.startsWith('[')) return parseLiteral(text)
  const lower = text.toLowerCase()
  const ascii = isAscii(lower) ? lower : toALabels(lower)
  if (ascii === undefined || ascii.length === 0 || ascii.length > 253) return undefined
  return ascii.split('.').every((label) => LABEL.test(label)) ? (ascii as Domain) : undefined
}

/** The address inside `[192.0.2.1]` or `[IPv6:2001:db8::1]`. */
export function literalAddress(domain: Domain): string | undefined {
  return domain.startsWith('[') ? domain.slice(1, -1).replace(/^ipv6:/, '') : undefined
}

export function formatAddress(address: Address): string {
  return `${address.local}@${address.domain}`
}

/** The path of MAIL FROM: `<>` for the null reverse-path. */
export function formatPath(address: Address | undefined): string {
  return address === undefined ? '<>' : `<${formatAddress(address)}>`
}

export function needsSmtpUtf8(address: Address): boolean {
  return !isAscii(address.local)
}

function isAscii(text: string): boolean {
  return /^[\x00-\x7f]*$/.test(text)
}

function parseLiteral(text: string): Domain | undefined {
  const match = /^\[(?:(ipv6:)([0-9a-f:.]+)|([0-9.]+))\]$/i.exec(text)
  if (match === null) return undefined
  const sound = match[1] === undefined ? isIP(match[3]!) === 4 : isIP(match[2]!) === 6
  return sound ? (text.toLowerCase() as Domain) : undefined
}

// Letters, digits, marks, the dots of IDNA; joiners, because some scripts need them.
const LETTERS = /^(?:[\p{L}\p{M}\p{N}_.\u3002\uff0e\uff61\u00b7-]|\u200c|\u200d)+$/u

// domainToASCII reads URL hosts: it would take `a/b.c` for `a` and drop a newline. So
// whatever is no letter, digit, mark or joiner is refused before it is asked.
function toALabels(lower: string): string | undefined {
  if (!LETTERS.test(lower)) return undefined
  const ascii = domainToASCII(lower)
  return ascii === '' ? undefined : ascii
}
