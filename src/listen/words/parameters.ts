// What follows the path of MAIL and RCPT: `KEY` or `KEY=value`, each at most once. ENVID and ORCPT
// (RFC 3461 4) are kept as they came; what would decode to control characters is refused, since it
// would end up in reports.

import type { Notify } from '../../mail/envelope.ts'
import type { ReplyLine } from './reply.ts'
import { decodeXtext, parseOriginalRecipient } from '../../mail/xtext.ts'
import { SAY } from './reply.ts'

export interface MailParameters {
  /** What the client says that the message has, in bytes. */
  size: number
  smtpUtf8: boolean
  ret?: 'full' | 'hdrs'
  envid?: string
}

export interface RcptParameters {
  notify?: readonly Notify[]
  orcpt?: string
}

/** Answers with the reply to send when one is wrong. */
export function readMailParameters(
  text: string,
  from: number,
  into: MailParameters,
): ReplyLine | undefined {
  return readParameters(text, from, (key, value) => setMailParameter(into, key, value))
}

export function readRcptParameters(
  text: string,
  from: number,
  into: RcptParameters,
): ReplyLine | undefined {
  return readParameters(text, from, (key, value) => setRcptParameter(into, key, value))
}

type SetParameter = (key: string, value: string | undefined) => ReplyLine | undefined

// `KEY` or `KEY=value`, parted by spaces; each at most once.
function readParameters(text: string, from: number, set: SetParameter): ReplyLine | undefined {
  const seen: string[] = []
  for (let at = from; at < text.length;) {
    let end = text.indexOf(' ', at)
    if (end === -1) end = text.length
    if (end > at) {
      const equals = text.indexOf('=', at)
      const bare = equals === -1 || equals >= end
      const key = text.slice(at, bare ? end : equals).toUpperCase()
      if (seen.includes(key)) return SAY.repeatedParameter
      seen.push(key)
      const wrong = set(key, bare ? undefined : text.slice(equals + 1, end))
      if (wrong !== undefined) return wrong
    }
    at = end + 1
  }
  return undefined
}

function setMailParameter(
  into: MailParameters,
  key: string,
  value: string | undefined,
): ReplyLine | undefined {
  switch (key) {
    case 'SIZE':
      if (value === undefined || !/^\d{1,20}$/.test(value)) return SAY.badParameter
      into.size = Number(value)
      return undefined
    case 'BODY':
      return /^(?:7BIT|8BITMIME)$/i.test(value ?? '') ? undefined : SAY.badParameter
    case 'SMTPUTF8':
      into.smtpUtf8 = true
      return value === undefined ? undefined : SAY.badParameter
    case 'RET':
      if (!/^(?:FULL|HDRS)$/i.test(value ?? '')) return SAY.badParameter
      into.ret = value!.toUpperCase() === 'FULL' ? 'full' : 'hdrs'
      return undefined
    case 'ENVID':
      if (value === undefined || value.length > 100 || !isXtext(value)) return SAY.badParameter
      into.envid = value
      return undefined
    case 'AUTH': // RFC 4954 5: an assertion that we do not pass on
      return value === '<>' || isXtext(value ?? '') ? undefined : SAY.badParameter
    default:
      return SAY.unknownParameter
  }
}

function setRcptParameter(
  into: RcptParameters,
  key: string,
  value: string | undefined,
): ReplyLine | undefined {
  switch (key) {
    case 'NOTIFY': {
      const notify = parseNotify(value)
      if (notify === undefined) return SAY.badParameter
      into.notify = notify
      return undefined
    }
    case 'ORCPT':
      if (value === undefined || value.length > 500 || !isOriginalRecipient(value))
        return SAY.badParameter
      into.orcpt = value
      return undefined
    default:
      return SAY.unknownParameter
  }
}

function parseNotify(value: string | undefined): Notify[] | undefined {
  const words = (value ?? '').toLowerCase().split(',')
  if (words.length === 1 && words[0] === 'never') return ['never']
  const wishes = new Set<Notify>()
  for (const word of words) {
    if (word !== 'success' && word !== 'failure' && word !== 'delay') return undefined
    wishes.add(word)
  }
  return [...wishes]
}

const CONTROL = /\p{Cc}/u

function isXtext(text: string): boolean {
  return isSound(decodeXtext(text))
}

/** `addr-type;xtext`, or a UTF-8 address in one of the forms of RFC 6533 3. */
function isOriginalRecipient(text: string): boolean {
  return !text.includes('=') && isSound(parseOriginalRecipient(text)?.address)
}

function isSound(decoded: string | undefined): boolean {
  return decoded !== undefined && decoded !== '' && !CONTROL.test(decoded)
}
