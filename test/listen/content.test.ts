// What becomes of content and envelope on the way in.

import { expect, test } from 'vitest'
import type { ListenRules, Policy } from '../../src/policy/policy.ts'
import type { Kept } from '../submit/world.ts'
import type { World } from './world.ts'
import { destinationOf } from '../../src/mail/destination.ts'
import { startWorld } from './world.ts'

interface Mail {
  mail?: string
  rcpt?: string[]
  rules?: Partial<ListenRules>
  policies?: Partial<Policy>
}

async function submit(world: World, content: string, how: Mail = {}): Promise<string> {
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO app.test')
  await talk.say(how.mail ?? 'MAIL FROM:<ana@near.example>')
  for (const to of how.rcpt ?? ['<bo@far.example>']) await talk.say(`RCPT TO:${to}`)
  await talk.say('DATA')
  return await talk.say(`${content}.`)
}

async function accept(content: string, how: Mail = {}): Promise<Kept> {
  const { rules = {}, policies = {} } = how
  await using world = await startWorld({ rules, policies })
  expect(await submit(world, content, how)).toMatch(/^250 2\.0\.0 queued as m1/)
  return world.queue.accepted[0]!
}

const DATE = 'Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n'
const ID = 'Message-ID: <1@near.example>\r\n'
const WHOLE = `From: ana@near.example\r\n${DATE}${ID}\r\nHello\r\n`

/** Without our Received, which has its own test. */
function below(content: string): string {
  return content.replace(/^Received: from app\.test .*\r\n(?:\t.*\r\n)+/, '')
}

test('Received stands on top and says who, how, when and for whom', async () => {
  const { content } = await accept(WHOLE)
  expect(content).toMatch(
    /^Received: from app\.test \(\[127\.0\.0\.1\]\)\r\n\tby relay\.test with ESMTP id m1\r\n\tfor <bo@far\.example>;\r\n\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\nFrom: /,
  )
})

test('recipients are not named to each other', async () => {
  const { content } = await accept(WHOLE, { rcpt: ['<bo@far.example>', '<cy@far.example>'] })
  expect(content).not.toContain('far.example')
})

test('what a client calls itself cannot break Received', async () => {
  await using world = await startWorld()
  await using talk = await world.dial()
  await talk.hear()
  await talk.say('EHLO a(b)"c;\xff<x>')
  await talk.say('MAIL FROM:<ana@near.example>')
  await talk.say('RCPT TO:<bo@far.example>')
  await talk.say('DATA')
  await talk.say(`${WHOLE}.`)
  expect(world.queue.accepted[0]?.content).toMatch(/^Received: from a\?b\?\?c\?\?\?x\? \(\[127/)
})

const ISO_DATES: [value: string, date: string][] = [
  ['2026-11-30T12:00:00Z', 'Mon, 30 Nov 2026 12:00:00 +0000'],
  ['2026-11-30T12:00:00.123456+01:00', 'Mon, 30 Nov 2026 11:00:00 +0000'],
  ['2026-11-30 12:00:00', 'Mon, 30 Nov 2026 12:00:00 +0000'],
  ['2026-11-30 23:30:00 -0500', 'Tue, 01 Dec 2026 04:30:00 +0000'],
  ['2026-11-30T12:00+02', 'Mon, 30 Nov 2026 10:00:00 +0000'],
]

const EDITS: [name: string, content: string, stored: RegExp | string][] = [
  ['a whole message is not changed', WHOLE, WHOLE],
  [
    'Date, From and Message-ID are added',
    'Subject: x\r\n\r\ny\r\n',
    /^Date: .*\+0000\r\nFrom: <ana@near\.example>\r\nMessage-ID: <m1@relay\.test>\r\nSubject: x\r\n\r\ny\r\n$/,
  ],
  ['names are read without regard to case', WHOLE.toUpperCase(), WHOLE.toUpperCase()],
  [
    'Bcc and Return-Path go, folded ones too',
    `Bcc: a@b.test,\r\n c@d.test\r\n${WHOLE.replace('\r\n\r\n', '\r\nreturn-path: <x@y.test>\r\nBCC : z\r\n\r\n')}`,
    WHOLE,
  ],
  ['Bcc in the body stays', `${WHOLE}Bcc: x\r\n`, `${WHOLE}Bcc: x\r\n`],
  [
    'Resent-Bcc goes',
    `Resent-To: b@far.example\r\nresent-bcc: z\r\n${WHOLE}`,
    `Resent-To: b@far.example\r\n${WHOLE}`,
  ],
  ['Bcc-Like stays', `Bcc-Like: 1\r\n${WHOLE}`, `Bcc-Like: 1\r\n${WHOLE}`],
  ['an empty message gets a header', '', /^Date: .*\r\nFrom: .*\r\nMessage-ID: .*\r\n\r\n$/],
  [
    'a header that is alone is ended',
    `From: ana@near.example\r\n${DATE}${ID}`,
    `From: ana@near.example\r\n${DATE}${ID}\r\n`,
  ],
  [
    'space before a colon goes',
    WHOLE.replace('From:', 'From \t:').replace('Date:', 'Date :'),
    WHOLE,
  ],
  ['an mbox line in front goes', `From root Mon Nov 30 12:00:00 2026\r\n${WHOLE}`, WHOLE],
  ['a quoted mbox line in front goes', `>From root Mon Nov 30 12:00:00 2026\r\n${WHOLE}`, WHOLE],
  ['several mbox lines in front go', `From a x\r\n>From b y remote from c\r\n${WHOLE}`, WHOLE],
  ['a From with space before its colon is no mbox line', WHOLE.replace('From:', 'From :'), WHOLE],
  ['an mbox line in the text stays', `${WHOLE}From root x\r\n`, `${WHOLE}From root x\r\n`],
  [
    'text without a header that begins as mbox lines do stays',
    'From now on all is well.\r\nReally.\r\n',
    /\r\n\r\nFrom now on all is well\.\r\nReally\.\r\n$/,
  ],
  ['a byte order mark in front goes', `\xef\xbb\xbf${WHOLE}`, WHOLE],
  [
    'prose that follows a header without an empty line stays, parted from it',
    `From: ana@near.example\r\n${DATE}${ID}Hello Bo,\r\nDate: Monday\r\nPlace: here\r\n\r\nAna\r\n`,
    `From: ana@near.example\r\n${DATE}${ID}\r\nHello Bo,\r\nDate: Monday\r\nPlace: here\r\n\r\nAna\r\n`,
  ],
  ...['', ' <>', ' < >', ' @', ' <@near.example>', ' <1@>', '\r\n <>'].map(
    (value): [string, string, RegExp] => [
      `a Message-ID of ${JSON.stringify(value)} is replaced`,
      WHOLE.replace(ID, `Message-ID:${value}\r\n`),
      /^Message-ID: <m1@relay\.test>\r\nFrom: .*\r\nDate: .*\r\n\r\nHello\r\n$/,
    ],
  ),
  ...[' 1@near.example', ' <1>', ' <"a b"@near.example>'].map((value): [string, string, string] => [
    `a Message-ID of ${JSON.stringify(value)} stays`,
    WHOLE.replace(ID, `Message-ID:${value}\r\n`),
    WHOLE.replace(ID, `Message-ID:${value}\r\n`),
  ]),
  ...['', ' \t', ' Invalid Date', ' null'].map((value): [string, string, RegExp] => [
    `a Date of ${JSON.stringify(value)} is replaced`,
    WHOLE.replace(DATE, `Date:${value}\r\n`),
    /^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\nFrom: .*\r\nMessage-ID: .*\r\n\r\nHello\r\n$/,
  ]),
  ...ISO_DATES.map(([value, date]): [string, string, string] => [
    `a Date of ${value} is written as mail has it`,
    WHOLE.replace(DATE, `Date: ${value}\r\n`),
    `Date: ${date}\r\n${WHOLE.replace(DATE, '')}`,
  ]),
  ...['Thu, 1 Jan 26 0:00 EST', '2026-13-40T00:00:00Z', '2026-02-30 10:00', '1 day ago'].map(
    (value): [string, string, string] => [
      `a Date of ${value} stays`,
      WHOLE.replace(DATE, `Date: ${value}\r\n`),
      WHOLE.replace(DATE, `Date: ${value}\r\n`),
    ],
  ),
  [
    'a body without a header is parted from ours',
    'Hello\r\n',
    /^Date: .*\r\nFrom: .*\r\nMessage-ID: .*\r\n\r\nHello\r\n$/,
  ],
  [
    'a body behind an empty line keeps it',
    '\r\nDate: no\r\n',
    /^Date: .*\r\nFrom: .*\r\nMessage-ID: .*\r\n\r\nDate: no\r\n$/,
  ],
  [
    'bare line ends become CRLF before the header is read',
    WHOLE.replaceAll('\r\n', '\n'),
    `${WHOLE}\r\n`,
  ],
  ['Latin-1 and NUL go through as they are', `${WHOLE}\xe9\0\x80\r\n`, `${WHOLE}\xe9\0\x80\r\n`],
]
for (const [name, content, stored] of EDITS)
  test(name, async () => {
    const text = content === '' || content.endsWith('\r\n') ? content : `${content}\r\n`
    const kept = below((await accept(text)).content)
    if (typeof stored === 'string') expect(kept).toBe(stored)
    else expect(kept).toMatch(stored)
  })

const LOST: [name: string, content: string, line: number][] = [
  ['a line that is none in front of it', `Hello\r\n${WHOLE}`, 1],
  ['a line that begins with space in front of it', ` ${WHOLE}`, 1],
  ['an empty line in front of it', `\r\n${WHOLE}`, 1],
  [
    'a line that is none in the middle of it',
    `From: ana@near.example\r\nSubject: a\r\nb\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\nx\r\n`,
    3,
  ],
  [
    'a broken name, and a Bcc behind it',
    `From: ana@near.example\r\nX Y: 1\r\nBcc: hidden@far.example\r\n\r\nx\r\n`,
    2,
  ],
  ['two lines that are none, and no text', `a b\r\nc d\r\nFrom: ana@near.example\r\nTo: x\r\n`, 1],
]
for (const [name, content, line] of LOST)
  test(`a header with ${name} is refused, and does not arrive as text`, async () => {
    await using world = await startWorld()
    const said = await submit(world, content)
    expect(said).toMatch(new RegExp(`^554 5\\.6\\.0 Line ${line} is no header field`))
    expect(world.queue.accepted).toEqual([])
  })

test('what a relay makes of a message without From is a rule', async () => {
  const bare = WHOLE.replace('From: ana@near.example\r\n', '')
  const left = await accept(bare, { rules: { missingFrom: 'leave' } })
  expect(below(left.content)).toBe(bare)
  expect(left.mail.envelope.fromDomains).toEqual([])
  const bounce = await accept(bare, { mail: 'MAIL FROM:<>' })
  expect(below(bounce.content)).toBe(bare)
  const added = await accept(bare)
  expect(below(added.content)).toBe(`From: <ana@near.example>\r\n${bare}`)
  expect(added.mail.envelope.fromDomains).toEqual(['near.example'])
  const dotted = await accept(bare, { mail: 'MAIL FROM:<ana..b@near.example>' })
  expect(below(dotted.content)).toBe(`From: <"ana..b"@near.example>\r\n${bare}`)
  const utf8 = Buffer.from('<bjørn@near.example>').toString('latin1')
  const international = await accept(bare, { mail: `MAIL FROM:${utf8} SMTPUTF8` })
  expect(below(international.content)).toBe(`From: ${utf8}\r\n${bare}`)
  await using world = await startWorld({ rules: { missingFrom: 'refuse' } })
  expect(await submit(world, bare)).toBe('554 5.6.0 The header has no From')
})

test('a From that cannot be read is told apart from none', async () => {
  const wrong = WHOLE.replace('From: ana@', 'From: <bo@far.example> <ana@')
  expect((await accept(wrong)).mail.envelope).toMatchObject({ fromDomains: [], fromUnread: true })
  const names = WHOLE.replace('From: ana@', 'From: Lund, Ana <ana@')
  const { envelope } = (await accept(names)).mail
  expect(envelope.fromDomains).toEqual(['near.example'])
  expect(envelope.fromUnread).toBeUndefined()
})

test('the name that a client gives itself may be beyond ASCII', async () => {
  await using world = await startWorld()
  await using talk = await world.dial()
  await talk.hear()
  for (const [hello, named] of [
    [Buffer.from('büro.example').toString('latin1'), 'xn--bro-hoa.example'],
    ['b\xfcro', 'b?ro'],
  ]) {
    await talk.say(`EHLO ${hello}`)
    await talk.say('MAIL FROM:<ana@near.example>')
    await talk.say('RCPT TO:<bo@far.example>')
    await talk.say('DATA')
    await talk.say(`${WHOLE}.`)
    expect(world.queue.accepted.at(-1)?.content).toContain(`Received: from ${named} (`)
  }
})

test('the envelope holds what MAIL and RCPT said', async () => {
  const { mail, content } = await accept(WHOLE, {
    mail: 'MAIL FROM:<Ana@NEAR.example> RET=HDRS ENVID=QQ+2B1 BODY=8BITMIME',
    rcpt: ['<bo@far.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bo@old.example', '<cy@far.example>'],
  })
  expect(mail.envelope).toEqual({
    sender: { local: 'Ana', domain: 'near.example' },
    recipients: [
      {
        address: { local: 'bo', domain: 'far.example' },
        notify: ['success', 'delay'],
        orcpt: 'rfc822;bo@old.example',
      },
      { address: { local: 'cy', domain: 'far.example' } },
    ],
    submitter: { client: '127.0.0.1', hello: 'app.test', protocol: 'ESMTP', rule: 'relay.yaml:1' },
    size: content.length,
    eightBit: false,
    smtpUtf8: false,
    fromDomains: ['near.example'],
    messageIdField: '<1@near.example>',
    ret: 'hdrs',
    envid: 'QQ+2B1',
  })
})

test('recipients are the same only when local parts agree to the letter', async () => {
  const rcpt = ['<bo@far.example>', '<BO@far.example>', '<bo@FAR.example>', '<bo@far.example>']
  const { mail } = await accept(WHOLE, { rcpt })
  expect(mail.envelope.recipients.map(({ address }) => address.local)).toEqual(['bo', 'BO'])
})

test('each destination and queue is a delivery with its own times', async () => {
  const { mail } = await accept(WHOLE, {
    rcpt: ['<a@one.test>', '<b@two.test>', '<c@one.test>', '<otp@one.test>'],
    policies: {
      route: ({ domain, local }) => {
        const route = { kind: 'mx', domain } as const
        const queue = local === 'otp' ? 'urgent' : 'default'
        return { destination: destinationOf(route), queue, at: `routing.yaml:${local}` }
      },
      queue: (name) => ({
        name,
        priority: name === 'urgent' ? 1 : 10,
        retry: [1],
        giveUpAfter: name === 'urgent' ? 60_000 : 120_000,
        ...(name === 'urgent' ? {} : { warnAfter: 30_000 }),
        at: `${name}.yaml:1`,
      }),
    },
  })
  const { at } = mail
  const usual = {
    queue: 'default',
    priority: 10,
    due: at,
    expireAt: at + 120_000,
    warnAt: at + 30_000,
  }
  expect(mail.deliveries).toEqual([
    { destination: 'one.test', rule: 'routing.yaml:a', recipients: [0, 2], ...usual },
    { destination: 'two.test', rule: 'routing.yaml:b', recipients: [1], ...usual },
    {
      destination: 'one.test',
      rule: 'routing.yaml:otp',
      recipients: [3],
      queue: 'urgent',
      priority: 1,
      due: at,
      expireAt: at + 60_000,
    },
  ])
})

const INTERNATIONAL: [
  name: string,
  mail: string,
  content: string,
  eightBit: boolean,
  utf8: boolean,
][] = [
  ['SMTPUTF8 that is not needed is not passed on', 'SMTPUTF8', WHOLE, false, false],
  ['8-bit body needs no SMTPUTF8', 'SMTPUTF8 BODY=8BITMIME', `${WHOLE}\xc3\xa9\r\n`, true, false],
  ['UTF-8 in the header needs it', 'SMTPUTF8', `Subject: \xc3\xa9\r\n${WHOLE}`, true, true],
  [
    'Latin-1 in the header without it is old and taken',
    '',
    `Subject: \xe9\r\n${WHOLE}`,
    true,
    false,
  ],
]
for (const [name, parameters, content, eightBit, smtpUtf8] of INTERNATIONAL)
  test(name, async () => {
    const { mail } = await accept(content, { mail: `MAIL FROM:<ana@near.example> ${parameters}` })
    expect(mail.envelope).toMatchObject({ eightBit, smtpUtf8 })
  })

test('an address outside ASCII makes the message international', async () => {
  const { mail, content } = await accept(WHOLE, {
    mail: 'MAIL FROM:<ana@near.example> SMTPUTF8',
    rcpt: [Buffer.from('<用户@例え.test>').toString('latin1')],
  })
  expect(mail.envelope).toMatchObject({ smtpUtf8: true, eightBit: false })
  expect(mail.envelope.submitter.protocol).toBe('UTF8SMTP')
  expect(content).toMatch(/^Received: .*\r\n\tby relay\.test with UTF8SMTP id m1;\r\n/)
})

test('a message that went around too often is a loop', async () => {
  await using world = await startWorld({ rules: { hops: 3 } })
  const hop = 'Received: from a by b; x\r\n'
  expect(await submit(world, hop.repeat(4) + WHOLE)).toMatch(/^554 5\.4\.6 /)
  expect(await submit(world, hop.repeat(3) + WHOLE)).toMatch(/^250 /)
  expect(await submit(world, `${WHOLE}${hop.repeat(4)}`)).toMatch(/^250 /)
})

test('a large message arrives whole, however many pieces it comes in', async () => {
  const line = `${'x'.repeat(76)}\r\n`
  const body = `${line.repeat(20_000)}.dot\r\n`
  const { content, mail } = await accept(`Bcc: x\r\n${WHOLE}${body.replaceAll('\r\n.', '\r\n..')}`)
  expect(below(content)).toBe(WHOLE + body)
  expect(mail.envelope.size).toBe(content.length)
})

test('a large message with bare line ends is stored with CRLF', async () => {
  const { content } = await accept(`${WHOLE}${'x\ny\rz'.repeat(100_000)}\r\n`)
  expect(below(content)).toBe(`${WHOLE}${'x\r\ny z'.repeat(100_000)}\r\n`)
})

test('a header without end is refused', async () => {
  await using world = await startWorld()
  expect(await submit(world, `X: ${'y'.repeat(70)}\r\n`.repeat(5000))).toMatch(/^554 5\.6\.0 /)
})

test('a large message above the limit is dropped as it comes, and nothing stays stored', async () => {
  await using world = await startWorld({ rules: { size: 1_000_000 } })
  expect(await submit(world, WHOLE + `${'x'.repeat(78)}\r\n`.repeat(20_000))).toMatch(
    /^552 5\.3\.4 /,
  )
  expect(world.queue.accepted).toEqual([])
  expect(world.events.filter(({ kind }) => kind === 'note')).toEqual([])
})

test('content that could not be accepted is given back', async () => {
  await using world = await startWorld()
  world.queue.fail.accept = new Error('no')
  expect(await submit(world, WHOLE)).toMatch(/^451 4\.3\.0 /)
  expect(world.queue.discarded).toHaveLength(1)
  const note = world.events.find(({ kind }) => kind === 'note')
  expect(note).toMatchObject({ text: 'Cannot accept the message m1', cause: 'no' })
})

test('a client that goes away in the middle leaves nothing', async () => {
  await using world = await startWorld()
  const talk = await world.dial()
  await talk.hear()
  for (const line of ['EHLO a', 'MAIL FROM:<>', 'RCPT TO:<b@c.test>', 'DATA']) await talk.say(line)
  talk.write(WHOLE + 'x'.repeat(400_000))
  talk.socket.end()
  await talk.untilClosed()
  await world.listener.close(1000)
  expect(world.queue.accepted).toEqual([])
})

test('a client that closes its side after the dot still gets its reply', async () => {
  await using world = await startWorld()
  await using talk = await world.dial()
  await talk.hear()
  talk.write('EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.test>\r\nDATA\r\n')
  for (let n = 0; n < 4; n++) await talk.hear()
  talk.socket.end(`${WHOLE}.\r\n`)
  expect(await talk.hear()).toMatch(/^250 2\.0\.0 queued/)
})

test('what was accepted and refused is reported', async () => {
  await using world = await startWorld({
    policies: { mayRelay: () => ({ action: 'allow', at: 'relay.yaml:7' }) },
  })
  await submit(world, WHOLE, { rcpt: ['<bo@far.example>', '<x@nowhere.test>'] })
  const told = world.events.filter(({ kind }) => kind !== 'connection')
  expect(told).toMatchObject([
    {
      kind: 'refused',
      client: '127.0.0.1',
      command: 'RCPT TO:<x@nowhere.test>',
      from: expect.stringContaining('@') as string,
      to: ['bo@far.example'],
      reply: '550 5.4.4 No route to this recipient',
    },
    {
      kind: 'accepted',
      id: 'm1',
      from: 'ana@near.example',
      to: ['bo@far.example'],
      rule: 'relay.yaml:7',
    },
  ])
})
