// A notice that its way does not take, because it is too large or has eight bits, made smaller: the
// message that goes along gives way to its header, and that to nothing. Reads only what formatNotice
// has written.

import { parseHeader, valueOf } from '../../mail/header.ts'
import type { Outcome } from '../../mail/outcome.ts'
import { formatPart } from './mime.ts'
import { headerPart } from './original.ts'

export interface Smaller {
  readonly bytes: Buffer
  /** What of the message is still there. */
  readonly with: 'the header alone' | 'nothing of the message'
}

/** What such a refusal is about would not be there in a smaller notice. */
export function isAboutContent(outcome: Outcome | undefined): boolean {
  if (outcome?.kind !== 'refused') return false
  const { code, status } = outcome.reply
  if (status === undefined) return code === 552 || code === 523
  // Too large for the mailbox or the system, or content that it does not take.
  return /^5\.(?:2\.3|3\.4|6\.\d+)$/.test(status)
}

/** `undefined`: there is nothing left to leave out. */
export function smallerNotice(content: Buffer): Smaller | undefined {
  const type = parseHeader(content).fields.find(({ name }) => name === 'content-type')
  const boundary = type === undefined ? null : /boundary="([^"]+)"/.exec(valueOf(type))
  if (boundary === null) return undefined
  const line = Buffer.from(`\r\n--${boundary[1]}`)
  const original = startOfPart(content, line, 3)
  const end = content.lastIndexOf(line)
  if (original === -1 || end <= original) return undefined
  const rest = content.subarray(end)
  // Behind the line that begins the part stands its own header.
  const part = content.subarray(original + line.length + 2, end)
  const { fields, bodyStart } = parseHeader(part)
  const kind = fields.find(({ name }) => name === 'content-type')
  const top = content.subarray(0, original)
  if (kind === undefined || !/^message\/(?:rfc822|global)$/.test(valueOf(kind)))
    return { bytes: Buffer.concat([top, rest]), with: 'nothing of the message' }
  const header = headerPart(parseHeader(part.subarray(bodyStart)), false)
  const bytes = Buffer.concat([top, ...formatPart(header, boundary[1]!), rest])
  return { bytes, with: 'the header alone' }
}

/** Where the line stands that begins the n-th part; -1: there is none. */
function startOfPart(content: Buffer, line: Buffer, n: number): number {
  let at = -line.length
  for (let left = n; left > 0; left--) {
    at = content.indexOf(line, at + line.length)
    if (at === -1) return -1
  }
  return content.subarray(at + line.length, at + line.length + 2).toString() === '--' ? -1 : at
}
