// Notices to look at: a report for each kind, as the dispatcher would hand it in.

import { destinationOf } from '../../src/mail/destination.ts'
import { parseAddress, type Address } from '../../src/mail/address.ts'
import type { Envelope } from '../../src/mail/envelope.ts'
import type { Outcome } from '../../src/mail/outcome.ts'
import type {
  NoticeOptions,
  NoticeReport,
  Reported,
} from '../../src/delivery/decide/notice-report.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { Delivery, Recipient } from '../../src/queue/port/outflow.ts'
import type { DeliveryId, MessageId } from '../../src/queue/port/types.ts'

export const AT = Date.UTC(2026, 10, 22, 12, 0, 0)
const HOUR = 3_600_000

export const HEADER = [
  'Received: from app.near.example ([192.0.2.7]) by relay.example with ESMTPSA id 0abc;',
  '\tSun, 22 Nov 2026 11:59:58 +0000',
  'From: Ana <ana@near.example>',
  'To: Bo <bo@far.example>',
  'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and an order',
  'Date: Sun, 22 Nov 2026 11:59:57 +0000',
  'Message-ID: <order-1@near.example>',
  '',
  '',
].join('\r\n')
export const FULL = `${HEADER}Dear Bo,\r\n\r\nhere is the order.\r\n`

export function address(text: string): Address {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`"${text}" is no address`)
  return parsed
}

/** Answers only what notices ask. */
export const options: NoticeOptions = {
  hostname: 'relay.example',
  policy: {
    route: (recipient: Address) => {
      const route = { kind: 'mx', domain: recipient.domain } as const
      return { destination: destinationOf(route), queue: 'default', at: 'routing.yaml:1' }
    },
    queue: (name: string) => ({
      name,
      priority: 5,
      retry: [60_000],
      giveUpAfter: 48 * HOUR,
      at: `queues/${name}.yaml:1`,
    }),
  } as Partial<Policy> as Policy,
}

export function recipient(n: number, to: string, more: Partial<Recipient> = {}): Recipient {
  return { n, address: address(to), attempts: 1, due: AT, ...more }
}

export function delivery(envelope: Partial<Envelope> = {}): Delivery {
  return {
    id: '0abcdefghjk-1' as DeliveryId,
    message: '0abcdefghjk' as MessageId,
    destination: destinationOf({ kind: 'mx', domain: address('bo@far.example').domain }),
    queue: 'default',
    acceptedAt: AT - 5 * HOUR,
    envelope: {
      sender: address('ana@near.example'),
      recipients: [],
      submitter: { protocol: 'ESMTP', rule: 'relay.yaml:1' },
      size: FULL.length,
      eightBit: false,
      smtpUtf8: false,
      fromDomains: [],
      ...envelope,
    },
    recipients: [],
    content: { key: 'k', size: FULL.length },
    expireAt: AT + HOUR,
  }
}

export function refused(code: number, status: string, text: string): Outcome {
  const kind = code < 500 ? 'deferred' : 'refused'
  const reply = { code, status, text }
  return { kind, stage: 'rcpt', scope: 'recipient', by: 'server', reply }
}

export function report(
  recipients: readonly Reported[],
  more: Partial<NoticeReport> = {},
): NoticeReport {
  return {
    kind: 'failure',
    id: '0abcdefghjm' as MessageId,
    delivery: delivery(),
    at: AT,
    attempt: {
      startedAt: AT - 2000,
      endedAt: AT - 1000,
      host: 'mx1.far.example',
      address: '192.0.2.25',
      port: 25,
    },
    recipients,
    header: Buffer.from(HEADER),
    full: Buffer.from(FULL),
    ...more,
  }
}

const bo = recipient(0, 'bo@far.example')
const noSuchUser = refused(
  550,
  '5.1.1',
  '<bo@far.example>: Recipient address rejected:\nUser unknown',
)
const greylisted = refused(451, '4.7.1', 'Greylisted, please come back later')

export const REPORTS: Readonly<Record<string, NoticeReport>> = {
  failure: report([{ recipient: bo, outcome: noSuchUser, action: 'failed' }]),
  'failure-of-two': report(
    [
      {
        recipient: recipient(0, 'bo@far.example', { orcpt: 'rfc822;Bo+2BOrders@old.example' }),
        outcome: noSuchUser,
        action: 'failed',
      },
      {
        recipient: recipient(3, 'cy@far.example'),
        outcome: refused(552, '5.2.2', 'Mailbox full'),
        action: 'failed',
      },
    ],
    { delivery: delivery({ ret: 'hdrs', envid: 'QQ314159' }) },
  ),
  expired: report([{ recipient: bo, outcome: greylisted, action: 'failed', expired: true }]),
  'expired-unknown': report([
    { recipient: bo, outcome: greylisted, action: 'failed', expired: true, lastUnknown: true },
  ]),
  'refused-by-operator': report([{ recipient: bo, action: 'failed', reason: 'Account is closed' }]),
  'no-domain': report(
    [
      {
        recipient: bo,
        outcome: {
          kind: 'refused',
          stage: 'dns',
          scope: 'site',
          by: 'relay',
          reply: { code: 550, status: '5.1.2', text: 'far.example has no MX, A or AAAA record' },
        },
        action: 'failed',
      },
    ],
    { attempt: { startedAt: AT - 2000, endedAt: AT - 1000 } },
  ),
  delay: report([{ recipient: bo, outcome: greylisted, action: 'delayed' }], {
    kind: 'delay',
    willRetryUntil: AT + 100 * HOUR,
  }),
  success: report(
    [
      {
        recipient: recipient(0, 'bo@far.example', { notify: ['success'] }),
        outcome: {
          kind: 'delivered',
          stage: 'dot',
          scope: 'message',
          by: 'server',
          reply: { code: 250, status: '2.0.0', text: 'Ok: queued as 4XYZ' },
        },
        action: 'relayed',
      },
    ],
    { kind: 'success' },
  ),
  'utf8-address': report(
    [
      {
        recipient: recipient(0, 'böß@far.example', { orcpt: 'utf-8;b\\x{F6}\\x{DF}@far.example' }),
        outcome: refused(550, '5.1.1', 'Kein Postfach „böß“'),
        action: 'failed',
      },
    ],
    { delivery: delivery({ smtpUtf8: true, sender: address('añá@near.example') }) },
  ),
}
