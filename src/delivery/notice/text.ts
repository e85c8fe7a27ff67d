// The part of a notice that people read. Its first paragraph says what became of the message,
// why in a sentence, and what happens next; what the server said follows word for word.

import { printable } from '../../base/escape.ts'
import { formatAddress } from '../../mail/address.ts'
import { formatDate } from '../../mail/date.ts'
import type { Outcome, Stage } from '../../mail/outcome.ts'
import { sentenceOf } from '../../mail/status.ts'
import type { Bounded } from './bounds.ts'
import type { About } from './original.ts'
import type { NoticeReport, Reported } from '../decide/notice-report.ts'

/** Lines end with "\n"; whatever strangers said in it is safe on a terminal. */
export function noticeText({ report, left }: Bounded, hostname: string, about: About): string {
  const { recipients } = report
  const only = recipients.length === 1 && left === 0 ? recipients[0] : undefined
  const paragraphs =
    only === undefined
      ? [
          wrap(openingOfMany(report, recipients.length + left)),
          ...recipients.flatMap((each) => ofOne(report, each)),
          left === 0 ? '' : wrap(`And ${left} more, for whom there is no room here.`),
        ]
      : [wrap(openingOf(report, only)), ...said(report, only)]
  return [...paragraphs, aboutMessage(about), wrap(closing(report, hostname))]
    .filter((paragraph) => paragraph !== '')
    .join('\n\n')
    .concat('\n')
}

function openingOf(report: NoticeReport, reported: Reported): string {
  const to = printable(formatAddress(reported.recipient.address))
  switch (reported.action) {
    case 'failed':
      return `Your message to ${to} was not delivered. ${whyFailed(report, reported)} ${advice(reported)}`
    case 'delayed':
      return `Your message to ${to} has not been delivered yet. ${why(reported.outcome)} ${patience(report)}`
    case 'delivered':
      return `Your message to ${to} was ${delivered(report)} You asked to be told.`
    case 'relayed':
      return `Your message to ${to} was ${relayed(report)} You will not hear from us whether it arrives.`
  }
}

function delivered({ attempt }: NoticeReport): string {
  const host = attempt?.host
  return host === undefined ? 'delivered.' : `delivered: ${printable(host)} has taken it.`
}

function relayed({ attempt }: NoticeReport): string {
  const next = attempt?.host === undefined ? 'a mail system' : printable(attempt.host)
  return `passed on to ${next}, which sends no reports of its own.`
}

function openingOfMany(report: NoticeReport, count: number): string {
  switch (report.kind) {
    case 'failure':
      return `Your message was not delivered to ${count} of its recipients. They are listed below, each with the reason. It will not be tried again.`
    case 'delay':
      return `Your message has not been delivered yet to ${count} of its recipients. They are listed below, each with the reason. ${patience(report)}`
    case 'success':
      return `Your message was delivered to ${count} of its recipients, as you asked to be told. They are listed below.`
  }
}

function ofOne(report: NoticeReport, reported: Reported): string[] {
  const to = printable(formatAddress(reported.recipient.address))
  return [wrap(`${to}: ${fate(report, reported)}`), ...said(report, reported)]
}

function fate(report: NoticeReport, reported: Reported): string {
  switch (reported.action) {
    case 'failed':
      return `not delivered. ${whyFailed(report, reported)}`
    case 'delayed':
      return `not delivered yet. ${why(reported.outcome)}`
    case 'delivered':
      return delivered(report)
    case 'relayed':
      return relayed(report)
  }
}

function whyFailed(report: NoticeReport, reported: Reported): string {
  const { expired, lastUnknown, cutOff, reason, outcome } = reported
  if (reason !== undefined)
    return `An administrator of the mail system stopped it and gave this reason: "${printable(reason)}".`
  if (expired !== true) return why(outcome)
  const time = spell(report.at - report.delivery.acceptedAt)
  const tried = `It could not be delivered within ${time}, and that is all the time it had.`
  if (lastUnknown === true) return `${tried} ${cutOff === true ? CUT_OFF : FELL_SILENT}`
  return outcome === undefined ? tried : `${tried} What stood in the way at last: ${why(outcome)}`
}

const FELL_SILENT =
  'It may have arrived all the same: at the last attempt the other server took the whole message and then fell silent.'

const CUT_OFF =
  'It may have arrived all the same: the last attempt was cut off before we saw how it ended.'

function why(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'No server could be asked so far.'
  if (outcome.kind === 'unknown') return FELL_SILENT
  const { status } = outcome.reply
  if (outcome.kind === 'deferred' && /^\d\.7\.[01]$/.test(status ?? '')) return PUT_OFF
  return (status === undefined ? undefined : sentenceOf(status)) ?? WHY_AT[outcome.stage]
}

// What greylisting and other tests of patience answer with: no verdict on the message.
const PUT_OFF = 'The mail system of the recipient put us off for now.'

function spell(milliseconds: number): string {
  const minutes = Math.max(1, Math.round(milliseconds / 60_000))
  if (minutes >= 2 * 1440) return `${Math.round(minutes / 1440)} days`
  if (minutes >= 120) return `${Math.round(minutes / 60)} hours`
  return minutes === 1 ? 'a minute' : `${minutes} minutes`
}

const WHY_AT: Readonly<Record<Stage, string>> = {
  here: 'It could not be sent as it is.',
  dns: 'The mail system of the recipient could not be found in DNS.',
  connect: 'The mail system of the recipient could not be reached.',
  greeting: 'The mail system of the recipient did not want to talk to us.',
  hello: 'The mail system of the recipient did not want to talk to us.',
  starttls: 'No secure connection to the mail system of the recipient could be made.',
  auth: 'The next mail system did not accept our name and password.',
  mail: 'The mail system of the recipient did not accept the sender.',
  rcpt: 'The mail system of the recipient did not accept the address.',
  data: 'The mail system of the recipient did not accept the message.',
  dot: 'The mail system of the recipient did not accept the message.',
}

/** What to do, by what the trouble is about: the second number of the status. */
const ADVICE: Readonly<Record<string, string>> = {
  1: 'It will not be tried again. Please check the address for mistakes, or ask the recipient in another way which one to use.',
  2: 'It will not be tried again. Please reach the recipient in another way, or send it once more later.',
  3: 'It will not be tried again. If you need it to arrive, please show this notice to the administrator below.',
  6: 'It will not be tried again. It may arrive if you send it in a simpler form, for example without attachments.',
  7: 'It will not be tried again. What the other side said may tell what it objects to; the administrator below can help.',
}
const ADVICE_ELSE =
  'It will not be tried again. You can send it once more; if that fails too, please show this notice to the administrator below.'

function advice({ outcome, reason, expired, lastUnknown }: Reported): string {
  if (reason !== undefined) return 'It will not be tried again.'
  if (lastUnknown === true) return 'Please ask the recipient before you send it again.'
  const subject = expired === true ? undefined : outcome?.reply.status?.split('.')[1]
  return ADVICE[subject ?? ''] ?? ADVICE_ELSE
}

function patience({ willRetryUntil }: NoticeReport): string {
  const until = willRetryUntil === undefined ? '' : ` until ${formatDate(willRetryUntil)}`
  return `We go on trying${until}. You need do nothing, and need not send it again.`
}

function said(report: NoticeReport, { outcome, reason }: Reported): string[] {
  if (outcome === undefined || outcome.kind === 'unknown' || reason !== undefined) return []
  return [intro(report, outcome), quote(outcome)]
}

function intro({ attempt }: NoticeReport, outcome: Outcome): string {
  if (outcome.by === 'relay') return 'What we found:'
  return attempt?.host === undefined
    ? 'The server said:'
    : `The server ${printable(attempt.host)} said:`
}

function quote({ reply }: Outcome): string {
  const status = reply.status === undefined ? '' : `${reply.status} `
  const lines = `${reply.code} ${status}${reply.text}`.split('\n')
  return lines.map((line) => `    ${printable(line).trimEnd()}`).join('\n')
}

function aboutMessage({ subject, date, messageId }: About): string {
  const lines = [
    subject === undefined ? '' : `    Subject: ${printable(subject)}`,
    date === undefined ? '' : `    Date: ${printable(date)}`,
    messageId === undefined ? '' : `    Message-ID: ${printable(messageId)}`,
  ].filter((line) => line !== '')
  return lines.length === 0 ? '' : ['The message:\n', ...lines].join('\n')
}

function closing({ delivery }: NoticeReport, hostname: string): string {
  return `This notice comes from the mail relay ${hostname}, where the message has the id ${delivery.message}. Its administrator is postmaster@${hostname}. Attached are the same facts for programs, and your message or the top of it.`
}

// Under the 76 of quoted-printable, which would break the lines once more.
const WIDTH = 72

function wrap(paragraph: string): string {
  let text = ''
  let width = 0
  for (const word of paragraph.split(' ')) {
    const fits = width + 1 + word.length <= WIDTH
    text += (width === 0 ? '' : fits ? ' ' : '\n') + word
    width = (fits && width > 0 ? width + 1 : 0) + word.length
  }
  return text
}
