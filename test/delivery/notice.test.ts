// Notices (RFC 3461, 3464, 6522, 6533): their bytes, and what readers that are not ours find there.

import * as fc from 'fast-check'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { simpleParser } from 'mailparser'
import { describe, expect, test } from 'vitest'
import { composeNotice } from '../../src/delivery/notice/compose.ts'
import { wantsNotice, type NoticeReport } from '../../src/delivery/decide/notice-report.ts'
import { isAboutContent, smallerNotice } from '../../src/delivery/notice/smaller.ts'
import { noticeText } from '../../src/delivery/notice/text.ts'
import type { Notify } from '../../src/mail/envelope.ts'
import { parseHeader } from '../../src/mail/header.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { NewMail } from '../../src/queue/port/intake.ts'
import { need } from '../peers/debian.ts'
import * as cases from './notice-cases.ts'
import { fluflReads, pythonReads, sisimaiReads } from './notice-readers.ts'
import { runs } from '../peers/chance.ts'

const { REPORTS, options, report, recipient, refused, delivery, address } = cases
const noPython = await need('python3')
const noFlufl = await need('python3-flufl.bounce')
const noSisimai = await need('libsisimai-perl')

async function compose(of: NoticeReport): Promise<NewMail> {
  return (await composeNotice(options, of))!
}

async function bytesOf(of: NoticeReport): Promise<Buffer> {
  return Buffer.from((await compose(of)).content.bytes!)
}

async function textOf(of: NoticeReport): Promise<string> {
  return (await bytesOf(of)).toString()
}

/** One failed recipient whose server said this. */
function failure(more: Partial<NoticeReport> = {}): NoticeReport {
  return { ...REPORTS['failure']!, ...more }
}

describe('bytes', () => {
  const folder = new URL('../golden/notices/', import.meta.url)
  for (const [name, of] of Object.entries(REPORTS)) {
    test(`the notice "${name}" is written as it always was`, async () => {
      const file = new URL(`${name}.eml`, folder)
      const bytes = await bytesOf(of)
      if (process.env['GOLDEN'] === 'write') {
        await mkdir(folder, { recursive: true })
        await writeFile(file, bytes)
      }
      expect(bytes.toString()).toBe(await readFile(file, 'utf8'))
    })
  }

  test('every line ends with CRLF, and none is longer than 998 bytes', async () => {
    for (const of of Object.values(REPORTS)) {
      const lines = (await bytesOf(of)).toString('latin1').split('\r\n')
      expect(lines.filter((line) => /[\r\n]/.test(line) || line.length > 998)).toEqual([])
    }
  })
})

describe('readers that are not ours', () => {
  test.skipIf(noPython)('Python finds three parts and the fields of each recipient', async () => {
    const read = await pythonReads(await bytesOf(REPORTS['failure-of-two']!))
    expect(read.defects).toEqual([])
    expect(read.reportType).toBe('delivery-status')
    const types = ['text/plain', 'message/delivery-status', 'text/rfc822-headers']
    expect(read.types).toEqual(types)
    expect(read.groups[0]).toEqual({
      'Original-Envelope-Id': 'QQ314159',
      'Reporting-MTA': 'dns; relay.example',
      'Arrival-Date': 'Sun, 22 Nov 2026 07:00:00 +0000',
    })
    expect(read.groups[1]).toMatchObject({
      'Original-Recipient': 'rfc822; Bo+Orders@old.example',
      'Final-Recipient': 'rfc822; bo@far.example',
      Action: 'failed',
      Status: '5.1.1',
      'Remote-MTA': 'dns; mx1.far.example',
    })
    expect(read.groups[2]).toMatchObject({
      'Final-Recipient': 'rfc822; cy@far.example',
      Status: '5.2.2',
      'Diagnostic-Code': 'smtp; 552 5.2.2 Mailbox full',
    })
  })

  test.skipIf(noPython)('Python finds no defect in any notice in ASCII', async () => {
    for (const [name, of] of Object.entries(REPORTS)) {
      if (name === 'utf8-address') continue // its type is younger than that reader
      expect((await pythonReads(await bytesOf(of))).defects).toEqual([])
    }
  })

  test.skipIf(noFlufl)('flufl.bounce tells temporary from permanent failures', async () => {
    const read = async (name: string): Promise<unknown> => fluflReads(await bytesOf(REPORTS[name]!))
    expect(await read('failure')).toEqual([[], ['bo@far.example']])
    expect(await read('expired')).toEqual([[], ['bo@far.example']])
    expect(await read('delay')).toEqual([['bo@far.example'], []])
    expect(await read('success')).toEqual([[], []])
  })

  test.skipIf(noSisimai)('Sisimai finds recipient, action, reason and message', async () => {
    const read = async (name: string): Promise<string[]> =>
      sisimaiReads(await bytesOf(REPORTS[name]!))
    const id = 'order-1@near.example'
    expect(await read('failure')).toEqual([`bo@far.example failed userunknown ${id}`])
    expect(await read('failure-of-two')).toEqual([
      `bo@far.example failed userunknown ${id}`,
      `cy@far.example failed mailboxfull ${id}`,
    ])
    expect(await read('no-domain')).toEqual([`bo@far.example failed hostunknown ${id}`])
    expect(await read('delay')).toEqual([`bo@far.example delayed blocked ${id}`])
    expect(await read('success')).toEqual([`bo@far.example relayed delivered ${id}`])
  })

  test('mailparser reads the text, the sender and the thread', async () => {
    const mail = await simpleParser(await bytesOf(REPORTS['failure']!))
    expect(mail.from?.text).toBe('"Mail Delivery System" <mailer-daemon@relay.example>')
    expect(mail.subject).toBe('Not delivered: Grüße and an order')
    expect(mail.inReplyTo).toBe('<order-1@near.example>')
    expect(mail.headers.get('auto-submitted')).toBe('auto-replied')
    expect(mail.text).toContain('Your message to bo@far.example was not delivered.')
    expect(mail.text).toContain('Subject: Grüße and an order')
  })

  test('mailparser finds the UTF-8 forms of a notice about a UTF-8 address', async () => {
    const mail = await simpleParser(await bytesOf(REPORTS['utf8-address']!))
    expect(mail.text).toContain('Your message to böß@far.example was not delivered.')
    const types = mail.attachments.map(({ contentType }) => contentType)
    expect(types).toContain('message/global-delivery-status')
  })
})

describe('the envelope', () => {
  test('a notice has the null reverse-path, asks for no notice, and names its kind', async () => {
    const { envelope, deliveries, id, content } = await compose(REPORTS['delay']!)
    expect(envelope.sender).toBeUndefined()
    expect(envelope.recipients).toEqual([
      { address: address('ana@near.example'), notify: ['never'] },
    ])
    expect(envelope.notice).toBe('delay')
    expect(envelope.submitter.protocol).toBe('relay')
    expect(envelope.fromDomains).toEqual(['relay.example'])
    expect(content.size).toBe(content.bytes!.length)
    expect(id).toBe(REPORTS['delay']!.id)
    expect(deliveries).toMatchObject([
      { destination: 'near.example', queue: 'notices', recipients: [0], due: cases.AT },
    ])
  })

  test('it needs SMTPUTF8 only where the address of the sender does', async () => {
    expect((await compose(REPORTS['failure']!)).envelope).toMatchObject({
      smtpUtf8: false,
      eightBit: false,
    })
    expect((await compose(REPORTS['utf8-address']!)).envelope).toMatchObject({
      smtpUtf8: true,
      eightBit: true,
    })
  })

  test('without a queue for notices it goes by the queue that routing names', async () => {
    const policy = {
      ...options.policy,
      queue: () => ({ ...options.policy.queue('default') }),
    } as Policy
    const mail = await composeNotice({ ...options, policy }, failure())
    expect(mail?.deliveries[0]?.queue).toBe('default')
  })

  test('nobody is ever told that a notice is late', async () => {
    const queue = { ...options.policy.queue('default'), warnAfter: 60_000 }
    const policy: Policy = { ...options.policy, queue: () => queue }
    const mail = await composeNotice({ ...options, policy }, failure())
    expect(mail?.deliveries[0]?.expireAt).toBe(mail!.at + queue.giveUpAfter)
    expect(mail?.deliveries[0]?.warnAt).toBeUndefined()
  })

  test('nobody is told where the sender is null or cannot be routed to', async () => {
    const bounce = { ...delivery(), envelope: { ...delivery().envelope, sender: undefined } }
    expect(await composeNotice(options, failure({ delivery: bounce }))).toBeUndefined()
    const policy = { ...options.policy, route: () => undefined } as Policy
    expect(await composeNotice({ ...options, policy }, failure())).toBeUndefined()
  })

  test('the same report gives the same bytes', async () => {
    expect(await compose(failure())).toEqual(await compose(failure()))
  })
})

describe('who wants to be told (RFC 3461 4.1)', () => {
  const sender = address('ana@near.example')
  const table: [notify: Notify[] | undefined, failure: string, delay: string, success: string][] = [
    [undefined, 'sent', 'sent', 'not wanted'],
    [['never'], 'not wanted', 'not wanted', 'not wanted'],
    [['failure'], 'sent', 'not wanted', 'not wanted'],
    [['delay'], 'not wanted', 'sent', 'not wanted'],
    [['success'], 'not wanted', 'not wanted', 'sent'],
    [['success', 'failure', 'delay'], 'sent', 'sent', 'sent'],
    [['never', 'failure'], 'not wanted', 'not wanted', 'not wanted'],
  ]
  for (const [notify, ...fates] of table) {
    test(`NOTIFY=${notify?.join(',') ?? ' absent'} is heeded`, () => {
      const asked = notify === undefined ? {} : { notify }
      const kinds = ['failure', 'delay', 'success'] as const
      expect(kinds.map((kind) => wantsNotice(asked, kind, sender))).toEqual(fates)
    })
  }

  test('the null sender is never told', () => {
    expect(wantsNotice({ notify: ['failure'] }, 'failure', undefined)).toBe('null sender')
  })
})

describe('what goes along', () => {
  const big = Buffer.from(`${cases.HEADER}${'x'.repeat(70)}\r\n`.padEnd(60_000, 'y'))
  const table: [name: string, ret: 'full' | 'hdrs' | undefined, full: Buffer, whole: boolean][] = [
    ['a small message', undefined, Buffer.from(cases.FULL), true],
    ['a small message, where RET=HDRS was asked', 'hdrs', Buffer.from(cases.FULL), false],
    ['a message above 50 KB', undefined, big, false],
    ['a message above 50 KB, where RET=FULL was asked', 'full', big, true],
    ['a message above 200 KB, where RET=FULL was asked', 'full', Buffer.alloc(210_000, 'x'), false],
  ]
  for (const [name, ret, full, whole] of table) {
    test(`of ${name}: ${whole ? 'all' : 'its header'}`, async () => {
      const envelope = ret === undefined ? {} : { ret }
      const text = await textOf(failure({ full, delivery: delivery(envelope) }))
      expect(text.includes('\r\nContent-Type: message/rfc822\r\n')).toBe(whole)
      expect(text.includes('\r\nContent-Type: text/rfc822-headers;')).toBe(!whole)
      expect(text).toContain('\r\nMessage-ID: <order-1@near.example>\r\n')
    })
  }

  test('a delay and a success bring the header only', async () => {
    for (const kind of ['delay', 'success']) {
      expect(await textOf(REPORTS[kind]!)).not.toContain('message/rfc822\r\n')
      expect(await textOf(REPORTS[kind]!)).not.toContain('here is the order')
    }
  })

  test('eight-bit content stays at home unless it was asked for', async () => {
    const full = Buffer.concat([Buffer.from(cases.HEADER), Buffer.from('Grüße\r\n')])
    const unasked = await compose(failure({ full, delivery: delivery({ eightBit: true }) }))
    expect(unasked.envelope.eightBit).toBe(false)
    const asked = delivery({ eightBit: true, ret: 'full' })
    const bytes = await bytesOf(failure({ full, delivery: asked }))
    expect(bytes.includes(full)).toBe(true)
    expect((await compose(failure({ full, delivery: asked }))).envelope.eightBit).toBe(true)
  })

  test('raw bytes in the header are encoded, and the boundary is not theirs to guess', async () => {
    const header = Buffer.from('X: caf\xe9\r\nSubject: --=_x\r\n\r\n', 'latin1')
    const mail = await compose(failure({ header, delivery: delivery({ ret: 'hdrs' }) }))
    expect(mail.envelope.eightBit).toBe(false)
    expect(Buffer.from(mail.content.bytes!).toString('latin1')).toContain('X: caf=E9')
  })
})

describe('a notice that is refused for its content', () => {
  const EIGHT = Buffer.from(`${cases.HEADER}Döner\r\n`)
  const asked = delivery({ eightBit: true, ret: 'full' })

  test('goes with the header, and then with nothing of the message', async () => {
    const whole = await bytesOf(failure({ full: EIGHT, header: EIGHT, delivery: asked }))
    const header = smallerNotice(whole)!
    expect(header.with).toBe('the header alone')
    const text = header.bytes.toString('latin1')
    expect(text).not.toMatch(/[\x80-\xff]|message\/rfc822/)
    expect(text).toContain('Content-Type: text/rfc822-headers; charset=utf-8')
    expect(text).toContain('Message-ID: <order-1@near.example>')
    expect(text).not.toContain('D=C3=B6ner')
    const none = smallerNotice(header.bytes)!
    expect(none.with).toBe('nothing of the message')
    expect(none.bytes.toString()).not.toContain('order-1@near.example>\r\n--')
    expect(none.bytes.toString()).toContain('Status: 5.1.1')
    expect(smallerNotice(none.bytes)).toBeUndefined()
    for (const bytes of [header.bytes, none.bytes]) {
      const mail = await simpleParser(bytes, { keepDeliveryStatus: true })
      expect(mail.attachments.map(({ contentType }) => contentType)).toContain(
        'message/delivery-status',
      )
      expect(mail.text).toContain('was not delivered')
    }
  })

  test('is told by the reply', () => {
    const cases: [code: number, status: string | undefined, about: boolean][] = [
      [554, '5.6.3', true],
      [554, '5.6.1', true],
      [552, '5.3.4', true],
      [552, '5.2.3', true],
      [552, undefined, true],
      [552, '5.2.2', false],
      [550, '5.1.1', false],
      [554, undefined, false],
      [452, '4.3.4', false],
    ]
    for (const [code, status, about] of cases) {
      const outcome = refused(code, status ?? '', 'x')
      const reply = status === undefined ? { code, text: 'x' } : { code, status, text: 'x' }
      expect([code, status, isAboutContent({ ...outcome, reply })]).toEqual([code, status, about])
    }
  })

  test('any bytes are read for one, and what is none is left alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(smallerNotice(Buffer.from(text))).toBeUndefined()
      }),
    )
  })
})

describe('what is asked of the way', () => {
  test('a sender in ASCII is told of UTF-8 addresses in seven bits', async () => {
    const sender = address('ana@near.example')
    const { envelope } = REPORTS['utf8-address']!.delivery
    const of = {
      ...REPORTS['utf8-address']!,
      delivery: { ...delivery(), envelope: { ...envelope, sender, ret: 'full' as const } },
      full: Buffer.from(`${cases.HEADER}Grüße\r\n`),
    }
    const mail = await compose(of)
    expect(mail.envelope).toMatchObject({ smtpUtf8: false, eightBit: false })
    const text = Buffer.from(mail.content.bytes!).toString('latin1')
    expect(text).not.toMatch(/[\x80-\xff]/)
    expect(text).toMatch(/message\/global-delivery-status[^]*quoted-printable[^]*b=C3=B6=C3=9F@far/)
  })

  test('what servers said of very many is cut, and those without room are counted', async () => {
    const said = 'x'.repeat(8000)
    const failed = (count: number, text: string): NoticeReport => {
      const outcome = refused(550, '5.1.1', text)
      const recipients = Array.from({ length: count }, (_, n) => ({
        recipient: recipient(n, `bo${n}@far.example`),
        outcome,
        action: 'failed' as const,
      }))
      return failure({ recipients })
    }
    const few = await textOf(failed(20, said))
    expect(few.match(/^Final-Recipient:/gm)).toHaveLength(20)
    expect(few.replaceAll(/=?\s/g, '').match(/x{8000}/g)).toHaveLength(40)
    const many = await textOf(failed(1000, 'No such user'))
    expect(many.match(/^Final-Recipient:/gm)).toHaveLength(1000)
    const most = await bytesOf(failed(20_000, said))
    expect(most.length).toBeLessThan(1_000_000)
    const told = most.toString().match(/^Final-Recipient:/gm)!.length
    expect(most.toString()).toContain(`And ${20_000 - told} more`)
    expect(most.toString()).toContain('not delivered to 20000 of its recipients')
  })
})

describe('the words', () => {
  const text = (of: NoticeReport): string =>
    noticeText({ report: of, left: 0 }, 'relay.example', {}).replaceAll(/\s+/g, ' ')

  test('the first paragraph says what, for whom, why and what now', () => {
    const [first] = noticeText({ report: failure(), left: 0 }, 'relay.example', {}).split('\n\n')
    expect(first!.replaceAll('\n', ' ')).toBe(
      'Your message to bo@far.example was not delivered. There is no mailbox with this address. ' +
        'It will not be tried again. Please check the address for mistakes, or ask the recipient ' +
        'in another way which one to use.',
    )
  })

  test('what the server said stands there word for word', () => {
    const [, , said] = noticeText({ report: failure(), left: 0 }, 'relay.example', {}).split('\n\n')
    expect(said).toBe(
      '    550 5.1.1 <bo@far.example>: Recipient address rejected:\n    User unknown',
    )
  })

  test('a delay says until when it goes on', () => {
    expect(text(REPORTS['delay']!)).toContain(
      'has not been delivered yet. The mail system of the recipient put us off for now. We go on ' +
        'trying until Thu, 26 Nov 2026 16:00:00 +0000. You need do nothing',
    )
  })

  test('an expiry after a reply that was not seen says that it may have arrived', () => {
    expect(text(REPORTS['expired-unknown']!)).toContain('It may have arrived all the same')
    const [unknown] = REPORTS['expired-unknown']!.recipients
    const cutOff = text({
      ...REPORTS['expired-unknown']!,
      recipients: [{ ...unknown!, cutOff: true }],
    })
    expect(cutOff).toContain('the last attempt was cut off before we saw how it ended')
    expect(cutOff).not.toContain('fell silent')
  })

  test("an administrator's refusal carries the reason", () => {
    expect(text(REPORTS['refused-by-operator']!)).toContain('"Account is closed"')
  })

  test('a failure without any attempt says so', () => {
    const of = report([
      { recipient: recipient(0, 'bo@far.example'), action: 'failed', expired: true },
    ])
    expect(text(of)).toContain('was not delivered. It could not be delivered within 5 hours')
  })

  test('a reply without a status is explained by where it came', () => {
    const { reply: _, ...rest } = refused(550, '', 'No')
    const outcome = { ...rest, reply: { code: 550, text: 'No' } }
    const of = report([{ recipient: recipient(0, 'bo@far.example'), outcome, action: 'failed' }])
    expect(text(of)).toContain('did not accept the address.')
  })
})

describe('status codes', () => {
  const table: [code: number, status: string, more: object, expected: string][] = [
    [550, '5.1.1', { action: 'failed' }, '5.1.1'],
    [550, '4.1.1', { action: 'failed' }, '5.1.1'], // the basic code decides
    [421, '5.7.32', { action: 'delayed' }, '4.7.32'],
    [550, 'RP-001', { action: 'failed' }, '5.0.0'],
    [451, '4.7.1', { action: 'failed', expired: true }, '4.4.7'],
    [250, '2.6.0', { action: 'delivered' }, '2.6.0'],
    [250, '', { action: 'relayed' }, '2.0.0'],
  ]
  for (const [code, status, more, expected] of table) {
    test(`${code} ${status} of ${JSON.stringify(more)} is reported as ${expected}`, async () => {
      const outcome = refused(code, status, 'so it said')
      const each = { recipient: recipient(0, 'bo@far.example'), outcome, ...more }
      const text = await textOf(report([each as NoticeReport['recipients'][number]]))
      expect(text).toContain(`\r\nStatus: ${expected}\r\n`)
    })
  }
})

describe("strangers' strings", () => {
  // What forges lines, parts, colours or reading directions, more often than chance has it.
  const hostile = fc
    .array(
      fc.oneof(
        fc.constantFrom('\r\n', '\n', '\r', '\r\n\r\n', '--=_', '\x1b[31m', '\u202e', '\x9b', '\0'),
        fc.constantFrom(
          'Bcc: x@y.example',
          '=?utf-8?b?',
          '?=',
          '\\x{',
          '+0D+0A',
          ' ',
          'é',
          '\u2028',
        ),
        fc.string({ unit: 'binary' }),
        fc.string({ minLength: 1000, maxLength: 1200 }),
      ),
      { maxLength: 12 },
    )
    .map((pieces) => pieces.join(''))

  test('add no field, no part and no control character', async () => {
    const given = fc.record({
      text: hostile,
      host: hostile,
      reason: fc.option(hostile, { nil: undefined }),
      header: hostile,
      subject: hostile,
      orcpt: hostile,
      envid: hostile,
    })
    await fc.assert(fc.asyncProperty(given, isHarmless), runs(400))
  })

  interface Given {
    readonly text: string
    readonly host: string
    readonly reason: string | undefined
    readonly header: string
    readonly subject: string
    readonly orcpt: string
    readonly envid: string
  }

  async function isHarmless(given: Given): Promise<void> {
    const bytes = await bytesOf(hostileReport(given))
    const { fields } = parseHeader(bytes)
    const names = fields
      .map(({ name }) => name)
      .filter((name) => !/^(in-reply-to|references)$/.test(name))
    expect(names.join(' ')).toBe(
      'from to subject date message-id auto-submitted mime-version content-type',
    )
    const boundary = /boundary="(.+)"/.exec(bytes.toString('latin1'))![1]!
    const parts = bytes.toString('latin1').split(`\r\n--${boundary}`)
    expect(parts).toHaveLength(5)
    // The third part is the sender's own message, which comes back as it is.
    for (const part of parts.slice(0, 3)) {
      expect(part).not.toMatch(/[^\t\r\n\x20-\x7e]|\r(?!\n)|(?<!\r)\n/)
      expect(part.split('\r\n').filter((line) => line.length > 998)).toEqual([])
    }
    const { text } = await simpleParser(bytes)
    expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
    expect(parts[2]!.match(/^(Status|Final-Recipient|Action):/gm)).toHaveLength(3)
  }

  function hostileReport(given: Given): NoticeReport {
    const outcome = refused(550, '5.1.1', given.text)
    const to = recipient(0, 'bo@far.example', { orcpt: `rfc822;${given.orcpt}` })
    const { reason } = given
    const each = { recipient: to, outcome, action: 'failed' as const }
    return report([reason === undefined ? each : { ...each, reason }], {
      delivery: delivery({ envid: given.envid }),
      attempt: { startedAt: 1, endedAt: 2, host: given.host },
      header: Buffer.from(`Subject: ${given.subject}\r\n${given.header}\r\n\r\n`),
      full: Buffer.from(`${given.header}\r\n\r\n${given.text}`),
    })
  }
})
