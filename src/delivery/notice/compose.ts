// Notices: the mail that the relay writes to a sender when recipients failed, wait or (when asked)
// arrived, as RFC 3461, 3464, 6522 and 6533 have it. A notice has the null reverse-path, so that
// none is ever written about it; its bytes follow from the report alone.

import { formatAddress, needsSmtpUtf8, parseDomain, type Address } from '../../mail/address.ts'
import { formatDeliveryStatus, type StatusOfRecipient } from '../../mail/dsn.ts'
import type { Envelope } from '../../mail/envelope.ts'
import { parseHeader } from '../../mail/header.ts'
import { formatReply } from '../../mail/reply.ts'
import { withClass } from '../../mail/status.ts'
import { decodeXtext, parseOriginalRecipient } from '../../mail/xtext.ts'
import type { Policy } from '../../policy/policy.ts'
import type { NewDelivery, NewMail } from '../../queue/port/intake.ts'
import type { Delivery } from '../../queue/port/outflow.ts'
import type { MessageId } from '../../queue/port/types.ts'
import { newDelivery } from '../../submit/deliveries.ts'
import { boundReport } from './bounds.ts'
import { formatNotice, isEightBit, type Part } from './mime.ts'
import { aboutOf, originalPart } from './original.ts'
import type { NoticeKind, NoticeOptions, NoticeReport, Reported } from '../decide/notice-report.ts'
import { noticeText } from './text.ts'

/** `undefined`: there is nobody to tell (null sender), or no rule says how to reach the sender. */
export async function composeNotice(
  options: NoticeOptions,
  report: NoticeReport,
): Promise<NewMail | undefined> {
  const { sender } = report.delivery.envelope
  const delivery = sender === undefined ? undefined : deliveryTo(sender, options.policy, report.at)
  if (sender === undefined || delivery === undefined) return undefined
  const { bytes, eightBit, messageId } = contentOf(report, options.hostname, sender)
  const from = parseDomain(options.hostname)
  const envelope: Envelope = {
    sender: undefined,
    recipients: [{ address: sender, notify: ['never'] }],
    submitter: { protocol: 'relay', rule: `${report.kind} of ${report.delivery.id}` },
    size: bytes.length,
    eightBit,
    smtpUtf8: needsSmtpUtf8(sender),
    fromDomains: from === undefined ? [] : [from],
    messageIdField: messageId,
    notice: report.kind,
  }
  const content = { key: report.id, size: bytes.length, bytes }
  return { id: report.id, at: report.at, envelope, content, deliveries: [delivery] }
}

/** The same notice with less of the message in it, and another id. */
export function composeSmaller(
  options: NoticeOptions,
  { envelope, recipients }: Delivery,
  id: MessageId,
  at: number,
  bytes: Buffer,
): NewMail | undefined {
  const [recipient] = recipients
  const delivery = recipient && deliveryTo(recipient.address, options.policy, at)
  if (recipient === undefined || delivery === undefined) return undefined
  const eightBit = needsSmtpUtf8(recipient.address) || /[\x80-\xff]/.test(bytes.toString('latin1'))
  const { address } = recipient
  return {
    id,
    at,
    envelope: {
      ...envelope,
      recipients: [{ address, notify: ['never'] }],
      size: bytes.length,
      eightBit,
    },
    content: { key: id, size: bytes.length, bytes },
    deliveries: [delivery],
  }
}

/** Notices have a queue of their own where operators gave them one; nobody is told that one is late. */
function deliveryTo(sender: Address, policy: Policy, at: number): NewDelivery | undefined {
  const routing = policy.route(sender, undefined)
  if (routing === undefined) return undefined
  const own = policy.queue('notices')
  const queue = own.name === 'notices' ? own : policy.queue(routing.queue)
  return newDelivery(routing, queue, [0], at, 'not warned')
}

const TITLE: Readonly<Record<NoticeKind, string>> = {
  failure: 'Not delivered',
  delay: 'Not delivered yet',
  success: 'Delivered',
}

function contentOf(
  report: NoticeReport,
  hostname: string,
  sender: Address,
): { bytes: Buffer; eightBit: boolean; messageId: string } {
  const header = parseHeader(report.header)
  const about = aboutOf(header)
  const utf8 = isGlobal(report, sender)
  // Only such a sender's way has SMTPUTF8 for certain: for others all is written in 7 bits.
  const eightBitWay = needsSmtpUtf8(sender)
  const bounded = boundReport(report)
  const text = noticeText(bounded, hostname, about).replaceAll('\n', '\r\n')
  const parts: Part[] = [
    part('text/plain; charset=utf-8', 'What happened', text, false),
    statusPart(bounded.report, hostname, utf8, eightBitWay),
    originalPart(report, header, utf8, eightBitWay),
  ]
  const messageId = `<${report.id}@${hostname}>`
  const heading = {
    hostname,
    to: formatAddress(sender),
    subject: `${TITLE[report.kind]}: ${about.subject ?? 'your message'}`,
    at: report.at,
    messageId,
    ...(about.messageId === undefined ? {} : { about: about.messageId }),
  }
  const eightBit = eightBitWay || parts.some(isEightBit)
  return { bytes: formatNotice(heading, parts), eightBit, messageId }
}

/** Whether somebody's address needs the UTF-8 forms of RFC 6533. */
function isGlobal({ delivery, recipients }: NoticeReport, sender: Address): boolean {
  if (delivery.envelope.smtpUtf8 || needsSmtpUtf8(sender)) return true
  return recipients.some(({ recipient: { address, orcpt } }) => {
    const original = orcpt === undefined ? undefined : parseOriginalRecipient(orcpt)
    return needsSmtpUtf8(address) || /[^\x00-\x7f]/.test(original?.address ?? '')
  })
}

function statusPart(
  report: NoticeReport,
  hostname: string,
  utf8: boolean,
  eightBitWay: boolean,
): Part {
  const { acceptedAt, envelope } = report.delivery
  const envelopeId = envelope.envid === undefined ? undefined : decodeXtext(envelope.envid)
  const message = { reportingMta: hostname, arrivedAt: acceptedAt, envelopeId }
  const recipients = report.recipients.map((each) => statusOf(report, each))
  const status = formatDeliveryStatus(message, recipients, utf8)
  const type = utf8 ? 'message/global-delivery-status' : 'message/delivery-status'
  return part(type, 'Delivery report', status, !utf8 || eightBitWay)
}

function statusOf(report: NoticeReport, reported: Reported): StatusOfRecipient {
  const { recipient, outcome, action } = reported
  const original =
    recipient.orcpt === undefined ? undefined : parseOriginalRecipient(recipient.orcpt)
  const asked = outcome?.by === 'server'
  return {
    originalRecipient: original && `${original.type}; ${original.address}`,
    finalRecipient: `${needsSmtpUtf8(recipient.address) ? 'utf-8' : 'rfc822'}; ${formatAddress(recipient.address)}`,
    action,
    status: codeOf(reported),
    remoteMta: asked ? report.attempt?.host : undefined,
    diagnostic: diagnosticOf(reported),
    lastAttemptAt: report.attempt?.endedAt,
    willRetryUntil: action === 'delayed' ? report.willRetryUntil : undefined,
  }
}

function codeOf({ action, expired, reason, outcome }: Reported): string {
  const given = outcome?.reply.status
  switch (action) {
    case 'failed':
      // Neither the last reply nor any server said no: what ended it was the time, or an operator.
      if (expired === true) return '4.4.7'
      return reason === undefined ? withClass(given, 5) : '5.7.1'
    case 'delayed':
      return withClass(given, 4)
    case 'delivered':
    case 'relayed':
      return withClass(given, 2)
  }
}

function diagnosticOf({ outcome, reason }: Reported): string | undefined {
  if (reason !== undefined) return `x-waypost; refused by an administrator: ${reason}`
  if (outcome === undefined) return undefined
  return `${outcome.by === 'server' ? 'smtp' : 'x-waypost'}; ${formatReply(outcome.reply)}`
}

function part(type: string, description: string, content: string | Buffer, plain: boolean): Part {
  return { type, description, bytes: Buffer.from(content as string), plain }
}
