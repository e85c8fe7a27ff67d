// What the text of a setting means. Each reader throws a sentence that says what to write instead.

import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { parseDuration, parseSize } from '../base/units.ts'
import { readServers } from '../dns/servers.ts'
import { parseAddress, type Address } from '../mail/address.ts'
import { readAddress, type RedisAddress } from '../queue/bullmq/link/address.ts'
import { readBucket, type BucketAddress } from '../queue/bullmq/s3/address.ts'
import { ROLES } from '../queue/port/control.ts'
import type { Role } from '../queue/port/control.ts'

export interface ListenUrl {
  /** smtp: STARTTLS offered when there is a certificate, on loopback when asked; submission: TLS and AUTH required; submissions: implicit TLS and AUTH required. */
  readonly scheme: 'smtp' | 'submission' | 'submissions'
  readonly host: string
  readonly port: number
  /** STARTTLS is offered on loopback too, where local programs would take it unasked. */
  readonly startTls?: boolean
}

export interface AdminUrl {
  readonly host: string
  readonly port: number
}

const SCHEMES = { smtp: 25, submission: 587, submissions: 465 } as const

export function readListen(text: string): readonly ListenUrl[] {
  const parts = text.split(',').map((part) => part.trim())
  return parts.filter((part, n) => part !== '' || n === 0).map(readListenUrl)
}

function readListenUrl(text: string): ListenUrl {
  const match = /^([a-z]+):\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+)(?::(\d{1,5}))?\/?(\?starttls)?$/.exec(
    text,
  )
  const scheme = match?.[1] as keyof typeof SCHEMES | undefined
  if (match === null || scheme === undefined || !(scheme in SCHEMES))
    throw new Error(
      `"${text}" is no address to listen on, write smtp://127.0.0.1:2525 or submissions://0.0.0.0:465`,
    )
  const port = match[3] === undefined ? SCHEMES[scheme] : readListenPort(match[3])
  if (match[4] !== undefined && scheme !== 'smtp')
    throw new Error(`"${text}" always wants TLS, leave out "?starttls"`)
  const host = match[2]!.replace(/^\[|\]$/g, '')
  return match[4] === undefined ? { scheme, host, port } : { scheme, host, port, startTls: true }
}

// Port 0 is a free one: tests and trials ask for it.
function readListenPort(text: string): number {
  const port = Number(text)
  if (port > 65_535) throw new Error(`"${text}" is no port, write a number up to 65535`)
  return port
}

export function readAdmin(text: string): AdminUrl | undefined {
  if (text === 'none') return undefined
  const match = /^http:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})\/?$/.exec(text)
  if (match === null)
    throw new Error(`"${text}" is no address, write http://127.0.0.1:8025 or none`)
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: readListenPort(match[2]!) }
}

export function readHostname(text: string): string {
  const name = text === '' ? hostname() : text
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,252}[a-zA-Z0-9])?$/.test(name))
    throw new Error(`"${name}" is no host name, write one such as relay.example.com`)
  return name.toLowerCase()
}

export function readPath(text: string): string | undefined {
  return text === '' ? undefined : resolve(text)
}

/** As it was written, for whoever asks. */
export function readResolver(text: string): string | undefined {
  if (text === '') return undefined
  readServers(text)
  return text
}

export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535)
    throw new Error(`"${text}" is no port, write a number from 1 to 65535`)
  return port
}

export function readCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count < 1) throw new Error(`"${text}" is no count, write a whole number from 1 on`)
  return count
}

export function readRedis(text: string): RedisAddress | undefined {
  return text === '' ? undefined : readAddress(text)
}

export function readContent(text: string): BucketAddress | undefined {
  return text === '' ? undefined : readBucket(text)
}

export function readPrefix(text: string): string {
  if (!/^[a-zA-Z0-9._-]{1,64}$/.test(text))
    throw new Error(`"${text}" is no prefix, write up to 64 letters, digits, ".", "_" and "-"`)
  return text
}

export function readReplicas(text: string): number {
  if (!/^\d$/.test(text)) throw new Error(`"${text}" is no count of replicas, write 0 to 9`)
  return Number(text)
}

export function readDurability(text: string): 'strict' | 'relaxed' {
  if (text !== 'strict' && text !== 'relaxed')
    throw new Error(`"${text}" is no durability, write strict or relaxed`)
  return text
}

export function readRoles(text: string): readonly Role[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !(ROLES as readonly string[]).includes(name))
  if (wrong !== undefined)
    throw new Error(`"${wrong}" is no role, write some of ${ROLES.join(', ')}, comma-separated`)
  return ROLES.filter((role) => names.includes(role))
}

export function readName(text: string): string {
  const name = text === '' ? `${hostname()}-${process.pid}` : text
  if (!/^[a-zA-Z0-9._-]{1,100}$/.test(name))
    throw new Error(`"${name}" is no name, write up to 100 letters, digits, ".", "_" and "-"`)
  return name
}

export function readSource(text: string): string | undefined {
  if (text === '') return undefined
  if (!/^[a-zA-Z0-9._:-]{1,200}$/.test(text))
    throw new Error(`"${text}" is no source, write an address or a name such as relay.example.com`)
  return text
}

/** Bytes; `undefined` is up to the engine. */
export function readReserve(text: string): number | undefined {
  if (text === 'auto') return undefined
  const bytes = parseSize(text)
  if (bytes === undefined) throw new Error(`"${text}" is no size, write one such as 1GB, or auto`)
  return bytes
}

/** A size of `undefined` is up to the engine. */
export function readHistory(text: string): {
  readonly age: number
  readonly size: number | undefined
} {
  const [first = '', second = 'auto', ...rest] = text.trim().split(/\s+/)
  const age = parseDuration(first)
  const size = second === 'auto' ? undefined : parseSize(second)
  if (age === undefined || (size === undefined && second !== 'auto') || rest.length > 0)
    throw new Error(`"${text}" is no age and size, write them such as "7d 10GB" or "7d auto"`)
  return { age, size }
}

export function readTime(text: string): number {
  const time = parseDuration(text)
  if (time === undefined) throw new Error(`"${text}" is no duration, write one such as 30s`)
  return time
}

export function readPostmaster(text: string): Address | undefined {
  if (text === '') return undefined
  const address = parseAddress(text)
  if (address === undefined)
    throw new Error(`"${text}" is no address, write one such as postmaster@example.com`)
  return address
}

export function readLog(text: string): 'auto' | 'json' | 'text' | 'off' {
  const format = (['auto', 'json', 'text', 'off'] as const).find((name) => name === text)
  if (format === undefined)
    throw new Error(`"${text}" is no log format, write json, text, off or auto`)
  return format
}
