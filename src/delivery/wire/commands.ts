// The commands of a transaction, as the server offered to read them.

import { formatPath } from '../../mail/address.ts'
import { encodeUtf8Xtext, parseOriginalRecipient } from '../../mail/xtext.ts'
import type { Offers } from './hello.ts'
import type { Transaction, TransactionRecipient } from '../connection.ts'

export function mailCommand(transaction: Transaction, offers: Offers): string {
  let line = `MAIL FROM:${formatPath(transaction.sender)}`
  if (offers.size !== undefined) line += ` SIZE=${transaction.size + transaction.prefix.length}`
  if (transaction.eightBit) line += ' BODY=8BITMIME'
  if (transaction.smtpUtf8) line += ' SMTPUTF8'
  if (offers.dsn && transaction.ret !== undefined) line += ` RET=${transaction.ret.toUpperCase()}`
  if (offers.dsn && isWord(transaction.envid)) line += ` ENVID=${transaction.envid}`
  return `${line}\r\n`
}

/** @param utf8 the transaction is one with SMTPUTF8, and so is its server */
export function rcptCommand(
  recipient: TransactionRecipient,
  offers: Offers,
  utf8: boolean,
): string {
  let line = `RCPT TO:${formatPath(recipient.address)}`
  if (!offers.dsn) return `${line}\r\n`
  if (recipient.notify !== undefined && recipient.notify.length > 0)
    line += ` NOTIFY=${recipient.notify.join(',').toUpperCase()}`
  const orcpt = utf8 ? recipient.orcpt : inAscii(recipient.orcpt)
  if (isWord(orcpt)) line += ` ORCPT=${orcpt}`
  return `${line}\r\n`
}

/** RFC 3461 4.2 */
const ORCPT = 500

// RFC 6533 3: without SMTPUTF8 an address beyond ASCII is written as utf-8-addr-xtext. What becomes too
// long by that is left out: the mail goes before where it was first meant for.
function inAscii(orcpt: string | undefined): string | undefined {
  if (orcpt === undefined || /^[ -~]*$/.test(orcpt)) return orcpt
  const original = parseOriginalRecipient(orcpt)
  const ascii = original && `utf-8;${encodeUtf8Xtext(original.address)}`
  return ascii === undefined || ascii.length > ORCPT ? undefined : ascii
}

// xtext never has these. What came from a client word for word must not end a command early.
function isWord(text: string | undefined): text is string {
  return text !== undefined && /^[^\s\p{Cc}]+$/u.test(text)
}
