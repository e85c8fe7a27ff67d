// Transactions over a connection, with servers that refuse, close, fall silent and speak too soon.

import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { connect } from '../../src/delivery/connect/connect.ts'
import type { Connection, Transaction, TransactionResult } from '../../src/delivery/connection.ts'
import type { Timeouts } from '../../src/delivery/wire/timeouts.ts'
import { parseAddress } from '../../src/mail/address.ts'
import { drop, silence, startMx } from '../peers/mx.ts'
import type { Answer, Mx } from '../peers/mx.ts'
import { outcomeOf, outcomesOf } from './judged.ts'

/** What a server offers that takes one command at a time. */
const PLAIN = ['SIZE 1000000', '8BITMIME']

async function callTo(mx: Mx, timeouts: Partial<Timeouts> = {}): Promise<Connection> {
  const target = { host: 'mx.example', address: mx.address, port: mx.port, tls: 'none' } as const
  const { signal } = new AbortController()
  const connected = await connect(target, {
    helloName: 'near.example',
    clock: systemClock,
    signal,
    timeouts,
  })
  if (connected.kind === 'failed') throw new Error(outcomeOf(connected).reply.text)
  return connected.connection
}

function mail(change: Partial<Transaction> & { to?: string[] } = {}): Transaction {
  const { to = ['bo@far.example'], ...rest } = change
  const content = rest.content ?? Buffer.from('Subject: hello\r\n\r\nHello, Bo.\r\n')
  return {
    sender: parseAddress('ana@near.example'),
    recipients: to.map((address, n) => ({ n, address: parseAddress(address)! })),
    smtpUtf8: false,
    eightBit: false,
    prefix: Buffer.alloc(0),
    size: Buffer.isBuffer(content) ? content.length : 0,
    ...rest,
    content,
  }
}

/** `delivered deferred/recipient refused/message`, in the order of the recipients. */
function said(result: TransactionResult): string {
  const outcomes = outcomesOf(result)
  return [...outcomes.keys()]
    .sort((one, other) => one - other)
    .map((n) => outcomes.get(n)!)
    .map(({ kind, scope }) => (kind === 'delivered' ? kind : `${kind}/${scope}`))
    .join(' ')
}

test('a message arrives byte for byte, the prefix on top', async () => {
  await using mx = await startMx()
  const connection = await callTo(mx)
  const content = Buffer.from('Subject: dots\r\n\r\n.\r\n..a\r\nend')
  const prefix = Buffer.from('DKIM-Signature: v=1\r\n')
  const result = await connection.send(mail({ content, prefix }))
  expect(said(result)).toBe('delivered')
  expect(outcomesOf(result).get(0)).toMatchObject({
    stage: 'dot',
    reply: { code: 250, text: 'taken' },
  })
  expect(mx.taken[0]).toMatchObject({ from: 'ana@near.example', to: ['bo@far.example'] })
  expect(mx.taken[0]!.content.toString()).toBe(`${String(prefix)}${String(content)}\r\n`)
  await connection.quit()
  expect(mx.heard.at(-1)).toBe('QUIT')
})

test('with PIPELINING a message is two writes, and the connection carries the next', async () => {
  await using mx = await startMx()
  const connection = await callTo(mx)
  const before = mx.reads
  for (let n = 0; n < 5; n++) expect(said(await connection.send(mail()))).toBe('delivered')
  expect(mx.reads - before).toBe(10)
  expect(mx.sessions).toBe(1)
  expect(connection.taken).toBe(5)
  expect(connection.usable).toBe(true)
  connection.destroy()
})

for (const offers of [undefined, PLAIN]) {
  const how = offers === undefined ? 'all at once' : 'one by one'
  const script = offers === undefined ? {} : { offers }

  test(`each recipient has its own outcome (${how})`, async () => {
    await using mx = await startMx({
      ...script,
      RCPT: ['250 ok', '550 5.1.1 who?', '450 4.2.0 later', '250 ok'],
    })
    const connection = await callTo(mx)
    const to = ['a@far.example', 'b@far.example', 'c@far.example', 'd@far.example']
    const result = await connection.send(mail({ to }))
    expect(said(result)).toBe('delivered refused/recipient deferred/recipient delivered')
    expect(result.connection).toBe('ready')
    expect(mx.taken[0]?.to).toEqual(['a@far.example', 'd@far.example'])
    connection.destroy()
  })

  test(`when nobody is left nothing is sent, and the next message goes through (${how})`, async () => {
    await using mx = await startMx({ ...script, RCPT: ['550 5.1.1 who?', '250 ok'] })
    const connection = await callTo(mx)
    expect(said(await connection.send(mail()))).toBe('refused/recipient')
    expect(mx.taken).toHaveLength(0)
    const next = await connection.send(mail())
    expect(said(next)).toBe('delivered')
    expect(mx.taken).toHaveLength(1)
    connection.destroy()
  })

  test(`MAIL that is refused says so for all, and the next message goes through (${how})`, async () => {
    await using mx = await startMx({ ...script, MAIL: ['550 5.7.1 not you', '250 ok'] })
    const connection = await callTo(mx)
    const result = await connection.send(mail({ to: ['a@far.example', 'b@far.example'] }))
    expect(said(result)).toBe('refused/message refused/message')
    expect(outcomesOf(result).get(0)).toMatchObject({ stage: 'mail', reply: { status: '5.7.1' } })
    expect(said(await connection.send(mail()))).toBe('delivered')
    connection.destroy()
  })

  test(`DATA that is refused says so for those accepted (${how})`, async () => {
    await using mx = await startMx({
      ...script,
      RCPT: ['250 ok', '550 5.1.1 who?', '250 ok'],
      DATA: ['451 4.3.0 not now', '354 go on'],
    })
    const connection = await callTo(mx)
    const result = await connection.send(mail({ to: ['a@far.example', 'b@far.example'] }))
    expect(said(result)).toBe('deferred/message refused/recipient')
    expect(said(await connection.send(mail()))).toBe('delivered')
    connection.destroy()
  })

  test(`a refusal after the dot is for all accepted, and the next message goes through (${how})`, async () => {
    await using mx = await startMx({ ...script, dot: ['554 5.6.0 spam', '250 ok'] })
    const connection = await callTo(mx)
    const result = await connection.send(mail({ to: ['a@far.example', 'b@far.example'] }))
    expect(said(result)).toBe('refused/message refused/message')
    expect(connection.taken).toBe(0)
    expect(said(await connection.send(mail()))).toBe('delivered')
    expect(mx.heard).toContain('RSET')
    connection.destroy()
  })

  test(`recipients beyond what a server takes go on later (${how})`, async () => {
    await using mx = await startMx({
      ...script,
      RCPT: ['250 ok', '452 4.5.3 too many', '552 too many', '452 4.2.2 full', '250 ok'],
    })
    const connection = await callTo(mx)
    const to = ['a@far.example', 'b@far.example', 'c@far.example', 'd@far.example']
    const result = await connection.send(mail({ to }))
    expect(result.later).toEqual([1, 2])
    expect(new Set(result.found.keys())).toEqual(new Set([0, 3]))
    expect(said(result)).toBe('delivered deferred/recipient')
    connection.destroy()
  })

  test(`the first recipient is never too many (${how})`, async () => {
    await using mx = await startMx({ ...script, RCPT: '452 4.5.3 too many' })
    const connection = await callTo(mx)
    const result = await connection.send(mail())
    expect(result.later).toEqual([])
    expect(said(result)).toBe('deferred/recipient')
    connection.destroy()
  })

  for (const verb of ['MAIL', 'RCPT', 'DATA'] as const) {
    test(`a loss at ${verb} on a fresh connection is the message's own (${how})`, async () => {
      await using mx = await startMx({ ...script, [verb]: drop })
      const result = await (await callTo(mx)).send(mail())
      expect(said(result)).toBe('deferred/message')
      expect(result.connection).toBe('lost')
    })

    test(`a 421 at ${verb} on a fresh connection is the message's own (${how})`, async () => {
      await using mx = await startMx({ ...script, [verb]: '421 4.3.2 closing' })
      const connection = await callTo(mx)
      const result = await connection.send(mail())
      expect(said(result)).toBe('deferred/message')
      expect(result.connection).toBe('lost')
      expect(connection.usable).toBe(false)
    })
  }

  test(`a loss after the dot is unknown (${how})`, async () => {
    await using mx = await startMx({ ...script, RCPT: ['250 ok', '550 no', '250 ok'], dot: drop })
    const result = await (await callTo(mx)).send(mail({ to: ['a@far.example', 'b@far.example'] }))
    expect(said(result)).toBe('unknown/message refused/recipient')
    expect(outcomesOf(result).get(0)?.stage).toBe('dot')
    expect(result.connection).toBe('lost')
  })
}

test('silence after the dot is unknown when its time is over', async () => {
  await using mx = await startMx({ dot: silence })
  const result = await (await callTo(mx, { dot: 30 })).send(mail())
  expect(said(result)).toBe('unknown/message')
})

test.for(['MAIL', 'RCPT', 'DATA'] as const)('silence at %s ends in its time', async (verb) => {
  await using mx = await startMx({ [verb]: silence, offers: PLAIN })
  const connection = await callTo(mx, { [verb.toLowerCase()]: 30 })
  const result = await connection.send(mail())
  expect(said(result)).toBe('deferred/message')
  expect(outcomesOf(result).get(0)?.reply.text).toContain('No answer within')
})

const NONSENSE: [what: string, answer: Answer][] = [
  ['nonsense', 'well done'],
  ['nonsense and the end', { last: 'well done' }],
  ['a 354', '354 more'],
  ['yes and no', '250-2.0.0 taken\n451 4.3.0 or not'],
  ['no and yes', '550-no\n250 2.0.0 taken'],
]
for (const [what, answer] of NONSENSE) {
  test(`${what} after the dot is not asked for again, and the sender is told`, async () => {
    await using mx = await startMx({ dot: answer })
    const result = await (await callTo(mx, { dot: 50 })).send(mail())
    expect(said(result)).toBe('refused/message')
    const words = typeof answer === 'string' ? answer : (answer as { last: string }).last
    const { text } = outcomesOf(result).get(0)!.reply
    for (const line of words.split('\n')) expect(text).toContain(line)
    expect(text).toContain('it may have taken the message')
    expect(result.connection).toBe('lost')
  })
}

test('nonsense before the dot was sent does not make silence after it an answer', async () => {
  await using mx = await startMx({ DATA: '354 go on\nEnd with a dot', dot: silence })
  const result = await (await callTo(mx, { dot: 50 })).send(mail())
  expect(said(result)).toBe('unknown/message')
  expect(outcomesOf(result).get(0)?.reply.text).toContain('it sent "End with a dot"')
})

test.for([
  ['nonsense before the reply', 'thinking\n250 2.0.0 taken'],
  ['two codes of one class', '250-2.0.0 message taken\n251 2.0.0 and forwarded'],
] as const)('%s after the dot: the message is delivered', async ([, answer]) => {
  await using mx = await startMx({ dot: [answer, '250 ok'] })
  const connection = await callTo(mx)
  expect(said(await connection.send(mail()))).toBe('delivered')
  expect(said(await connection.send(mail()))).toBe('delivered')
  connection.destroy()
})

test('of two codes to RCPT the last one counts, and all words are kept', async () => {
  await using mx = await startMx({ RCPT: '550-5.1.1 No such user here\n553 5.1.1 try another' })
  const connection = await callTo(mx)
  const result = await connection.send(mail())
  expect(outcomesOf(result).get(0)).toMatchObject({
    kind: 'refused',
    reply: { code: 553, status: '5.1.1', text: 'try another\n550-5.1.1 No such user here' },
  })
  connection.destroy()
})

test('when DATA is answered 354 though nobody is left, only a dot is sent', async () => {
  await using mx = await startMx({ RCPT: ['550 5.1.1 who?', '250 ok'], DATA: '354 go on' })
  const connection = await callTo(mx)
  expect(said(await connection.send(mail()))).toBe('refused/recipient')
  expect(mx.taken[0]?.content.length).toBe(0)
  expect(said(await connection.send(mail()))).toBe('delivered')
  expect(mx.taken[1]?.content.toString()).toContain('Hello, Bo.')
  connection.destroy()
})

test('a server that closes after a message was taken is at a limit, and nothing was tried', async () => {
  await using mx = await startMx({ dot: { last: '250 2.0.0 taken, good-bye' } })
  const connection = await callTo(mx)
  expect(said(await connection.send(mail()))).toBe('delivered')
  await mx.until(() => mx.open === 0)
  const result = await connection.send(mail())
  expect(result).toEqual({ found: new Map(), later: [], connection: 'limit' })
  expect(connection.usable).toBe(false)
})

test('a 421 to the MAIL after a message was taken is a limit too', async () => {
  await using mx = await startMx({ MAIL: ['250 ok', '421 4.7.0 enough'] })
  const connection = await callTo(mx)
  expect(said(await connection.send(mail()))).toBe('delivered')
  const result = await connection.send(mail())
  expect(result).toEqual({ found: new Map(), later: [], connection: 'limit' })
  expect(connection.taken).toBe(1)
})

test.for(['RCPT', 'DATA'] as const)(
  'a 421 at %s of the second message, before anybody was answered, is a limit of the connection',
  async (verb) => {
    const first = verb === 'DATA' ? '354 go on' : '250 ok'
    await using mx = await startMx({ [verb]: [first, '421 4.7.0 enough'] })
    const connection = await callTo(mx)
    await connection.send(mail())
    const result = await connection.send(mail())
    expect(result).toEqual({ found: new Map(), later: [], connection: 'limit' })
  },
)

test.for(['421 4.7.0 too many errors', drop] as const)(
  'a server that leaves behind final answers has the others go on at once',
  async (last) => {
    await using mx = await startMx({ RCPT: ['550 5.1.1 who?', '250 ok', '550 5.1.1 who?', last] })
    const connection = await callTo(mx)
    const to = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@far.example`)
    const result = await connection.send(mail({ to }))
    expect(said(result)).toBe('refused/recipient refused/recipient')
    expect(result.later).toEqual([1, 3, 4])
    expect(result.connection).toBe('lost')
  },
)

test.for([
  ['DATA', ['552 too many recipients'], '554 5.5.3 Too many recipients'],
  ['dot', [], '554 Too many recipients'],
] as const)(
  'where a transaction had too many, a 5yz at %s refuses their number and bounces nobody',
  async ([verb, more, reply]) => {
    const answers = more.length > 0 ? ['250 ok', '250 ok', ...more] : '250 ok'
    await using mx = await startMx({ RCPT: answers, [verb]: reply })
    const connection = await callTo(mx)
    const to = ['a', 'b', 'c', 'd'].map((name) => `${name}@far.example`)
    const result = await connection.send(mail({ to: more.length > 0 ? to.slice(0, 3) : to }))
    expect(said(result)).toBe('')
    expect(result.width).toBe(2)
    expect(result.later).toHaveLength(more.length > 0 ? 3 : 4)
  },
)

test('content that is too large for a server bounces, whatever its code also means', async () => {
  await using mx = await startMx({ dot: '552 5.3.4 Message too big' })
  const connection = await callTo(mx)
  const result = await connection.send(mail({ to: ['a@far.example', 'b@far.example'] }))
  expect(said(result)).toBe('refused/message refused/message')
})

test('a word that nobody asked for makes a connection useless', async () => {
  await using mx = await startMx({ dot: '250 2.0.0 taken\n250 and again'.replace('\n', '\r\n') })
  const connection = await callTo(mx)
  expect(said(await connection.send(mail()))).toBe('delivered')
  expect(connection.usable).toBe(false)
  expect((await connection.send(mail())).connection).toBe('limit')
})

for (const answer of ['552 5.3.4 too big', '421 4.3.2 closing'] as const) {
  test(`"${answer}" in the middle of the content ends the connection`, async () => {
    await using mx = await startMx({ early: { after: 100_000, answer } })
    const connection = await callTo(mx)
    const content = Buffer.alloc(30_000_000, 'x'.repeat(70) + '\r\n')
    const result = await connection.send(mail({ content }))
    expect(said(result)).toBe(`${answer.startsWith('5') ? 'refused' : 'deferred'}/message`)
    expect(outcomesOf(result).get(0)).toMatchObject({ stage: 'data' })
    expect(result.connection).toBe('lost')
    expect(mx.taken).toHaveLength(0)
  })
}

test('large content streams, and arrives byte for byte', async () => {
  await using mx = await startMx()
  const connection = await callTo(mx)
  const piece = Buffer.from(`${'y'.repeat(70)}\r\n.dot\r\n\r\n`)
  const whole = Buffer.concat(Array.from({ length: 50_000 }, () => piece))
  async function* content(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < whole.length; at += 10_007) yield whole.subarray(at, at + 10_007)
  }
  const prefix = Buffer.from('DKIM-Signature: v=1\r\n')
  const result = await connection.send(mail({ content, prefix, size: whole.length }))
  expect(said(result)).toBe('delivered')
  expect(mx.taken[0]!.content.equals(Buffer.concat([prefix, whole]))).toBe(true)
  expect(said(await connection.send(mail()))).toBe('delivered')
  connection.destroy()
})

test('a server that stops reading in the content costs no more than its time', async () => {
  await using mx = await startMx({ DATA: ['354 go on'], early: { after: 1, answer: silence } })
  const connection = await callTo(mx, { block: 50 })
  const content = Buffer.alloc(40_000_000, 'x'.repeat(70) + '\r\n')
  const sent = connection.send(mail({ content }))
  await mx.until(() => mx.heard.includes('DATA'))
  mx.stall()
  expect(said(await sent)).toBe('deferred/message')
})

test('content that cannot be read to its end is not ended by a dot', async () => {
  await using mx = await startMx()
  const connection = await callTo(mx)
  async function* content(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('Subject: half\r\n\r\n')
    throw new Error('the disk is gone')
  }
  const result = await connection.send(mail({ content, size: 100 }))
  expect(said(result)).toBe('deferred/message')
  expect(result.connection).toBe('lost')
  await mx.until(() => mx.open === 0)
  expect(mx.taken).toHaveLength(0)
})

for (const streamed of [false, true]) {
  test(`without the right to end it no dot is sent (${streamed ? 'streamed' : 'in memory'})`, async () => {
    await using mx = await startMx()
    const connection = await callTo(mx)
    async function* content(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('Subject: late\r\n\r\n')
    }
    const change = streamed ? { content, size: 17 } : {}
    const result = await connection.send(mail({ ...change, mayEnd: () => false }))
    expect(said(result)).toBe('deferred/message')
    expect(result.connection).toBe('lost')
    await mx.until(() => mx.open === 0)
    expect(mx.taken).toHaveLength(0)
  })
}

test('a connection that is destroyed while the dot is awaited leaves its recipients unknown', async () => {
  await using mx = await startMx({ dot: silence })
  const connection = await callTo(mx)
  const sent = connection.send(mail())
  await mx.until(() => mx.heard.includes('DATA'))
  await mx.until(() => mx.reads >= 3)
  connection.destroy()
  expect(said(await sent)).toBe('unknown/message')
})

test('SIZE, BODY and DSN parameters are said where they are offered', async () => {
  await using mx = await startMx()
  const connection = await callTo(mx)
  expect(connection.offersDsn).toBe(true)
  await connection.send({
    ...mail({ eightBit: true, ret: 'hdrs', envid: 'QQ+2B1', prefix: Buffer.from('A: b\r\n') }),
    recipients: [
      { n: 0, address: parseAddress('a@far.example')!, notify: ['success', 'delay'] },
      { n: 1, address: parseAddress('b@far.example')!, orcpt: 'rfc822;b@near.example' },
      { n: 2, address: parseAddress('c@far.example')!, notify: ['never'] },
    ],
  })
  expect(mx.taken[0]?.commands).toEqual([
    'MAIL FROM:<ana@near.example> SIZE=36 BODY=8BITMIME RET=HDRS ENVID=QQ+2B1',
    'RCPT TO:<a@far.example> NOTIFY=SUCCESS,DELAY',
    'RCPT TO:<b@far.example> ORCPT=rfc822;b@near.example',
    'RCPT TO:<c@far.example> NOTIFY=NEVER',
  ])
  connection.destroy()
})

const LONG = 'ü'.repeat(100)
const ORCPT: [orcpt: string, offers: string[], smtpUtf8: boolean, said: string][] = [
  ['utf-8;ü@x.example', ['DSN', 'SMTPUTF8', '8BITMIME'], true, ' ORCPT=utf-8;ü@x.example'],
  ['utf-8;ü@x.example', ['DSN', 'SMTPUTF8'], false, ' ORCPT=utf-8;\\x{FC}@x.example'],
  ['UTF-8;ü\\x{2B}ö@x.example', ['DSN'], false, ' ORCPT=utf-8;\\x{FC}\\x{2B}\\x{F6}@x.example'],
  [
    'utf-8;日\u00a0本@x.example',
    ['DSN'],
    false,
    ' ORCPT=utf-8;\\x{65E5}\\x{A0}\\x{672C}@x.example',
  ],
  ['utf-8;\\x{FC}@x.example', ['DSN'], false, ' ORCPT=utf-8;\\x{FC}@x.example'],
  ['rfc822;b+2B@x.example', ['DSN'], false, ' ORCPT=rfc822;b+2B@x.example'],
  [`utf-8;${LONG}@x.example`, ['DSN'], false, ''],
  ['ü', ['DSN'], false, ''],
]
for (const [orcpt, offers, smtpUtf8, words] of ORCPT)
  for (const pipelining of [true, false])
    test(`${orcpt.slice(0, 30)} to ${offers.join(' ')} is said as "${words}" (${pipelining})`, async () => {
      await using mx = await startMx({ offers: pipelining ? [...offers, 'PIPELINING'] : offers })
      const connection = await callTo(mx)
      const address = parseAddress('bo@far.example')!
      await connection.send({ ...mail({ smtpUtf8 }), recipients: [{ n: 0, address, orcpt }] })
      expect(mx.taken[0]?.commands[1]).toBe(`RCPT TO:<bo@far.example>${words}`)
      connection.destroy()
    })

test('no parameter is said where nothing is offered', async () => {
  await using mx = await startMx({ offers: [] })
  const connection = await callTo(mx)
  expect(connection.offersDsn).toBe(false)
  await connection.send(mail({ ret: 'full', envid: 'x', sender: undefined }))
  expect(mx.taken[0]?.commands[0]).toBe('MAIL FROM:<>')
  connection.destroy()
})

const UNFIT: [
  what: string,
  offers: string[],
  change: Partial<Transaction> & { to?: string[] },
  status: string,
][] = [
  ['a message too large', ['SIZE 10'], {}, '5.3.4'],
  ['8-bit content', [], { eightBit: true }, '5.6.3'],
  ['SMTPUTF8 content', ['8BITMIME'], { smtpUtf8: true }, '5.6.7'],
  ['an address beyond ASCII', ['8BITMIME'], { to: ['b\u00f6@far.example'] }, '5.6.7'],
]
for (const [what, offers, change, status] of UNFIT) {
  test(`${what} is refused without a byte where the server does not take it`, async () => {
    await using mx = await startMx({ offers })
    const connection = await callTo(mx)
    const result = await connection.send(mail(change))
    expect(outcomesOf(result).get(0)).toMatchObject({
      kind: 'refused',
      stage: 'here',
      reply: { status },
    })
    expect(result.connection).toBe('ready')
    expect(connection.usable).toBe(true)
    expect(mx.heard).toEqual(['EHLO near.example'])
    connection.destroy()
  })
}

test('SIZE without a number is no limit', async () => {
  await using mx = await startMx({ offers: ['SIZE'] })
  const connection = await callTo(mx)
  expect(said(await connection.send(mail()))).toBe('delivered')
  expect(mx.taken[0]?.commands[0]).toContain('SIZE=')
  connection.destroy()
})

test('an address in UTF-8 goes out where SMTPUTF8 is offered', async () => {
  await using mx = await startMx()
  const connection = await callTo(mx)
  const transaction = mail({ to: ['b\u00f6@far.example'], smtpUtf8: true, eightBit: true })
  expect(said(await connection.send(transaction))).toBe('delivered')
  expect(mx.taken[0]?.to).toEqual(['b\u00f6@far.example'])
  expect(mx.taken[0]?.commands[0]).toContain(' SMTPUTF8')
  connection.destroy()
})

test('our side ends behind QUIT, so that a server which waits for that need not', async () => {
  await using mx = await startMx({ QUIT: silence })
  const connection = await callTo(mx, { quit: 600_000 })
  await connection.quit()
  expect(mx.heard.at(-1)).toBe('QUIT')
})

test('QUIT does not wait for a server that does not answer it', async () => {
  await using mx = await startMx({ QUIT: silence })
  const connection = await callTo(mx, { quit: 30 })
  await connection.quit()
  await mx.until(() => mx.open === 0)
})
