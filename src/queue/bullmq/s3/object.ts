// What is written of a message before it is accepted: one object with all that its schedule can be made from
// again, and its content behind that when it is small. A first line has the version, the length of the
// header and its digest, so whatever another hand or half a write made is refused.

import { createHash } from 'node:crypto'

import type { NewMail } from '../../port/intake.ts'
import type { MessageId } from '../../port/types.ts'

export interface Sealed {
  /** The message's own; `mail.id` may tell what the mail is derived from. */
  readonly id: MessageId
  /** Its content has no bytes here. */
  readonly mail: NewMail
}

/** Larger content is an object of its own. This belongs to the version: what was written is read by it. */
export const INLINE = 256 * 1024

/** Beside the object that is named for the message: its content when that is large. */
export const contentOf = (id: string): string => `${id}.content`
/** And who of its recipients have ended, while others go on. */
export const doneOf = (id: string): string => `${id}.done`

const VERSION = 1
const SHAPE = /^waypost-mail (\d+) (?:([0-9a-f]{8}) ([0-9a-f]{16})\n)?/
/** Of the first line, in bytes. */
const LINE = 41

export function encode(mail: NewMail, id: MessageId): Buffer {
  const { key, size, bytes } = mail.content
  const sealed: Sealed = { id, mail: { ...mail, content: { key, size } } }
  const json = Buffer.from(JSON.stringify(sealed))
  const length = json.length.toString(16).padStart(8, '0')
  const line = `waypost-mail ${VERSION} ${length} ${digestOf(json)}\n`
  return Buffer.concat([Buffer.from(line), json, bytes ?? new Uint8Array()])
}

/** Where the content begins in an object that begins so. Throws what is wrong with it. */
export function lengthOf(first: Uint8Array): number {
  return LINE + readLine(first).length
}

/** The header, from bytes that have all of it. Throws what is wrong with it. */
export function decode(bytes: Uint8Array): Sealed {
  const { length, digest } = readLine(bytes)
  const json = bytes.subarray(LINE, LINE + length)
  if (json.length < length)
    throw new Error(`its header has ${json.length} bytes and should have ${length}`)
  if (digestOf(json) !== digest) throw new Error('its header is not what was written')
  return JSON.parse(Buffer.from(json).toString()) as Sealed
}

function readLine(bytes: Uint8Array): { length: number; digest: string } {
  const line = Buffer.from(bytes.subarray(0, LINE)).toString('latin1')
  const [, version, length, digest] = SHAPE.exec(line) ?? []
  if (version === undefined) throw new Error('it was not written by a relay')
  if (Number(version) !== VERSION)
    throw new Error(`its version is ${version}, and this relay reads ${VERSION}`)
  if (length === undefined || digest === undefined) throw new Error('its first line is broken')
  return { length: Number.parseInt(length, 16), digest }
}

function digestOf(json: Uint8Array): string {
  return createHash('sha256').update(json).digest('hex').slice(0, 16)
}
