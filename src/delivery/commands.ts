// The commands of a transaction, as the server offered to read them.

import { formatPath } from '../mail/address.ts'
import type { Offers } from './hello.ts'
import type { Transaction, TransactionRecipient } from './parts.ts'

export function mailCommand(transaction: Transaction, offers: Offers): string {
  let line = `MAIL FROM:${formatPath(transaction.sender)}`
  if (offers.size !== undefined) line += ` SIZE=${transaction.size + transaction.prefix.length}`
  if (transaction.eightBit) line += ' BODY=8BITMIME'
  if (transaction.smtpUtf8) line += ' SMTPUTF8'
  if (offers.dsn && transaction.ret !== undefined) line += ` RET=${transaction.ret.toUpperCase()}`
  if (offers.dsn && isWord(transaction.envid)) line += ` ENVID=${transaction.envid}`
  return `${line}\r\n`
}

export function rcptCommand(recipient: TransactionRecipient, offers: Offers): string {
  let line = `RCPT TO:${formatPath(recipient.address)}`
  if (offers.dsn && recipient.notify !== undefined && recipient.notify.length > 0)
    line += ` NOTIFY=${recipient.notify.join(',').toUpperCase()}`
  if (offers.dsn && isWord(recipient.orcpt)) line += ` ORCPT=${recipient.orcpt}`
  return `${line}\r\n`
}

// xtext never has these. What came from a client word for word must not end a command early.
function isWord(text: string | undefined): text is string {
  return text !== undefined && /^[^\s\p{Cc}]+$/u.test(text)
}
