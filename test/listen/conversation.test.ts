// What a client says and how each reply begins, as data. An array goes out in one write, and its
// replies come in order.

import { expect, test } from 'vitest'
import type { ListenRules, Policy } from '../../src/policy/policy.ts'
import { QueueError } from '../../src/queue/port/types.ts'
import { startWorld } from './world.ts'

type Step = [say: string, hear: string] | [say: string[], hear: string[]]
interface Conversation {
  rules?: Partial<ListenRules>
  policies?: Partial<Policy>
  /** Thrown by the queue. */
  store?: Error
  accept?: Error
  steps: Step[]
  accepted: number
}

const HELLO: Step = ['EHLO app.test', '250-relay.test']
const MAIL: Step = ['MAIL FROM:<ana@near.example>', '250 2.1.0']
const RCPT: Step = ['RCPT TO:<bo@far.example>', '250 2.1.5']
const DATA: Step = ['DATA', '354 ']
/** A chunk of this size; the CRLF that ends a line is not sent behind it. */
function chunk(size: number, text: string): string {
  return `BDAT ${size}\r\n${text}`
}
const TEXT = 'From: ana@near.example\r\n\r\nHello\r\n.'

// `BDAT 6` and just its 6 bytes.
function isChunk(line: string): boolean {
  const match = /^BDAT (\d+)\r\n([^]*)$/.exec(line)
  return match !== null && match[2]!.length === Number(match[1])
}

const CONVERSATIONS: Record<string, Conversation> = {
  'a message is queued': {
    steps: [HELLO, MAIL, RCPT, DATA, [TEXT, '250 2.0.0 queued as m1'], ['QUIT', '221 2.0.0']],
    accepted: 1,
  },
  'a client of 1982 says HELO': {
    steps: [['HELO app.test', '250 relay.test'], MAIL, RCPT, DATA, [TEXT, '250 2.0.0 queued']],
    accepted: 1,
  },
  'commands are read without regard to case and trailing space': {
    steps: [
      ['ehlo app.test ', '250-relay.test'],
      ['mail from:<ana@near.example> ', '250 2.1.0'],
      ['Rcpt To:<bo@far.example>', '250 2.1.5'],
      ['data ', '354 '],
      [TEXT, '250 2.0.0'],
    ],
    accepted: 1,
  },
  'pipelined commands are answered in order': {
    steps: [
      HELLO,
      [
        [MAIL[0], 'RCPT TO:<bo@nowhere.test>', RCPT[0], 'DATA'],
        ['250 2.1.0', '550 5.4.4', '250 2.1.5', '354 '],
      ],
      [
        [TEXT, MAIL[0], RCPT[0], 'DATA', TEXT, 'NOOP', 'QUIT'],
        ['250 2.0.0', '250 2.1.0', '250 2.1.5', '354 ', '250 2.0.0', '250 2.0.0', '221 2.0.0'],
      ],
    ],
    accepted: 2,
  },
  'what belongs behind EHLO waits for it': {
    steps: [
      ['MAIL FROM:<ana@near.example>', '503 5.5.1'],
      ['AUTH PLAIN', '503 5.5.1'],
      ['RCPT TO:<bo@far.example>', '503 5.5.1'],
      ['NOOP', '250 2.0.0'],
      HELLO,
      MAIL,
    ],
    accepted: 0,
  },
  'commands out of order are refused': {
    steps: [
      HELLO,
      ['RCPT TO:<bo@far.example>', '503 5.5.1'],
      ['DATA', '503 5.5.1'],
      MAIL,
      ['MAIL FROM:<x@near.example>', '503 5.5.1'],
      ['DATA', '503 5.5.1'],
      ['RCPT TO:<bo@nowhere.test>', '550 5.4.4'],
      ['DATA', '554 5.5.1'],
      RCPT,
      DATA,
      [TEXT, '250 2.0.0'],
    ],
    accepted: 1,
  },
  'EHLO and RSET end a transaction': {
    steps: [HELLO, MAIL, HELLO, MAIL, ['RSET', '250 2.0.0'], ['DATA', '503 5.5.1']],
    accepted: 0,
  },
  'EHLO needs a name': {
    steps: [
      ['EHLO', '501 Syntax'],
      ['EHLO two words', '501 Syntax'],
      ['EHLO a\x01b', '501 Syntax'],
      ['EHLO [127.0.0.1]', '250-relay.test'],
    ],
    accepted: 0,
  },
  'the jokes of old sendmail and the commands of proxies are off': {
    steps: [
      HELLO,
      ['WIZ please', '500 5.5.2'],
      ['SHELL', '500 5.5.2'],
      ['KILL', '500 5.5.2'],
      ['XCLIENT ADDR=192.0.2.1', '500 5.5.2'],
      ['XFORWARD ADDR=192.0.2.1', '500 5.5.2'],
      ['constructor', '500 5.5.2'],
    ],
    accepted: 0,
  },
  'small commands have their replies': {
    steps: [
      HELLO,
      ['NOOP', '250 2.0.0'],
      ['NOOP whatever', '250 2.0.0'],
      ['VRFY bo', '252 2.5.0'],
      ['VRFY', '501 5.5.4'],
      ['EXPN list', '502 5.5.1'],
      ['HELP', '214 2.0.0'],
      ['RSET now', '501 5.5.4'],
      ['DATA now', '501 5.5.4'],
      ['QUIT now', '501 5.5.4'],
      ['STARTTLS', '454 4.7.0'],
    ],
    accepted: 0,
  },
  'only CRLF ends a line': {
    steps: [HELLO, [['NOOP\nNOOP'], ['500 5.5.2', '250 2.0.0']]],
    accepted: 0,
  },
  'a line that never ends is skipped, not kept': {
    steps: [
      HELLO,
      [`NOOP ${'x'.repeat(20_000)}`, '500 5.5.2 Line too long'],
      [`MAIL FROM:<${'x'.repeat(3000)}@near.example>`, '500 5.5.2 Line too long'],
      ['NOOP', '250 2.0.0'],
    ],
    accepted: 0,
  },
  'a size above the limit is refused at MAIL': {
    rules: { size: 1000 },
    steps: [
      HELLO,
      ['MAIL FROM:<ana@near.example> SIZE=1001', '552 5.3.4'],
      ['MAIL FROM:<ana@near.example> SIZE=1000', '250 2.1.0'],
    ],
    accepted: 0,
  },
  'content above the limit is read to its end, and refused': {
    rules: { size: 1000 },
    steps: [
      HELLO,
      MAIL,
      RCPT,
      DATA,
      [`${'x'.repeat(998)}\r\n.`, '250 2.0.0'],
      MAIL,
      RCPT,
      DATA,
      [`${'x'.repeat(999)}\r\nQUIT\r\n.`, '552 5.3.4'],
      ['NOOP', '250 2.0.0'],
    ],
    accepted: 1,
  },
  'recipients above the limit are refused for now': {
    rules: { recipients: 2 },
    steps: [
      HELLO,
      MAIL,
      RCPT,
      ['RCPT TO:<2@far.example>', '250 2.1.5'],
      ['RCPT TO:<3@far.example>', '452 4.5.3'],
      ['RCPT TO:<2@far.example>', '250 2.1.5'],
      DATA,
      [TEXT, '250 2.0.0'],
    ],
    accepted: 1,
  },
  'strangers may not relay': {
    policies: { mayRelay: () => ({ action: 'refuse', at: 'no rule fits' }) },
    steps: [
      HELLO,
      ['MAIL FROM:<ana@near.example>', '550 5.7.1'],
      ['RCPT TO:<b@c.test>', '503 5.5.1'],
    ],
    accepted: 0,
  },
  'who could relay after AUTH is told so': {
    policies: { mayRelay: () => ({ action: 'authenticate', at: 'relay.yaml:2' }) },
    steps: [HELLO, ['MAIL FROM:<ana@near.example>', '530 5.7.0']],
    accepted: 0,
  },
  'BDAT takes a message in chunks, dots and all': {
    steps: [
      HELLO,
      MAIL,
      RCPT,
      [chunk(7, '\r\n.\r\n..'), '250 2.0.0 7 octets received'],
      [chunk(0, ''), '250 2.0.0 0 octets received'],
      [chunk(5, 'hello'), '250 2.0.0 5 octets received'],
      ['BDAT 0 LAST', '250 2.0.0 queued'],
      ['NOOP', '250 2.0.0'],
    ],
    accepted: 1,
  },
  'pipelined chunks are answered in order': {
    steps: [
      HELLO,
      [
        [MAIL[0], RCPT[0], 'BDAT 4\r\nNOOPBDAT 6 LAST\r\nQUIT\r\nRSET'],
        ['250 2.1.0', '250 2.1.5', '250 2.0.0 4', '250 2.0.0 queued', '250 2.0.0 Reset'],
      ],
    ],
    accepted: 1,
  },
  'the bytes of a refused chunk are no commands': {
    steps: [
      HELLO,
      [chunk(6, 'QUIT\r\n'), '503 5.5.1'],
      MAIL,
      [chunk(6, 'QUIT\r\n'), '503 5.5.1'],
      ['RSET', '250 2.0.0'],
      MAIL,
      RCPT,
      ['NOOP', '250 2.0.0'],
    ],
    accepted: 0,
  },
  'DATA and BDAT do not mix': {
    steps: [
      HELLO,
      MAIL,
      RCPT,
      [chunk(2, 'a:'), '250 2.0.0'],
      ['DATA', '503 5.5.1'],
      ['RSET', '250'],
    ],
    accepted: 0,
  },
  'a chunk above the limit is refused, and so is what follows it': {
    rules: { size: 10 },
    steps: [
      HELLO,
      MAIL,
      RCPT,
      [chunk(8, 'x'.repeat(8)), '250 2.0.0'],
      [chunk(8, 'x'.repeat(8)), '552 5.3.4'],
      [chunk(6, 'QUIT\r\n'), '503 5.5.1'],
      ['BDAT 6 LAST\r\nQUIT', '503 5.5.1'],
      ['RSET', '250 2.0.0'],
      MAIL,
      RCPT,
      ['BDAT 4 LAST\r\na:', '250 2.0.0 queued'],
    ],
    accepted: 1,
  },
  'blanks before and behind the size of a chunk are taken': {
    steps: [HELLO, MAIL, RCPT, ['BDAT  2 \r\na:BDAT 0  LAST\t', '250 2.0.0 2 octets']],
    accepted: 1,
  },
  'white space before the end of a line is taken': {
    steps: [
      HELLO,
      ['MAIL FROM:<ana@near.example> \t ', '250 2.1.0'],
      ['RCPT TO:<bo@far.example>\t', '250 2.1.5'],
      ['RCPT TO:<cy@far.example> NOTIFY=NEVER \t', '250 2.1.5'],
      ['DATA\t', '354 '],
      [TEXT, '250 2.0.0'],
      ['QUIT \t', '221 '],
    ],
    accepted: 1,
  },
  'a letter that ends in a byte like a blank keeps it': {
    steps: [
      HELLO,
      ['MAIL FROM:<\xc3\xa0@near.example> SMTPUTF8 ', '250 2.1.0'],
      ['RCPT TO:<bo@far.example>', '250 2.1.5'],
      ['VRFY \xc3\xa0', '252 '],
    ],
    accepted: 0,
  },
  'a full queue says so, and for now': {
    store: new QueueError('full', 'no space'),
    steps: [HELLO, MAIL, RCPT, DATA, [TEXT, '452 4.3.1'], ['NOOP', '250 2.0.0']],
    accepted: 0,
  },
  'a queue that fails is told in general words': {
    accept: new QueueError('failing', 'EIO at /var/secret'),
    steps: [HELLO, MAIL, RCPT, DATA, [TEXT, '451 4.3.0 Cannot take mail now, try again later']],
    accepted: 0,
  },
  'what nobody expected is told in general words': {
    accept: new TypeError('x is not a function'),
    steps: [HELLO, MAIL, RCPT, DATA, [TEXT, '451 4.3.0 Cannot take mail now, try again later']],
    accepted: 0,
  },
  'bare line ends are refused where a policy says so': {
    rules: { bareLineEnds: 'refuse' },
    steps: [HELLO, MAIL, RCPT, DATA, ['a: b\r\n\r\nx\ny\r\n.', '554 5.6.0'], ['NOOP', '250 2.0.0']],
    accepted: 0,
  },
  'a browser is hung up on': {
    steps: [
      [['POST / HTTP/1.1', 'Host: relay.test'], ['421 4.7.0']],
      ['NOOP', 'closed'],
    ],
    accepted: 0,
  },
  'a client that only makes mistakes is hung up on': {
    steps: [
      [Array(20).fill('FOO'), [...Array<string>(19).fill('500 5.5.2'), '421 4.7.0']],
      ['NOOP', 'closed'],
    ],
    accepted: 0,
  },
  'nothing is read behind QUIT': {
    steps: [
      HELLO,
      [
        ['QUIT', MAIL[0]],
        ['221 2.0.0', 'closed'],
      ],
    ],
    accepted: 0,
  },
}

// What follows would be content of a length that nobody knows.
for (const line of [
  'BDAT',
  'BDAT x',
  'BDAT -1',
  'BDAT +5',
  'BDAT 0x5',
  'BDAT 5 FIRST',
  'BDAT 5 LAST LAST',
  'BDAT 1e3',
  'bdat\t5',
  `BDAT 5 ${'x'.repeat(3000)}`,
  `BDAT 5 ${'x'.repeat(20_000)}`,
  'BDAT 5\nNOOP',
])
  CONVERSATIONS[`nothing is read behind ${JSON.stringify(line.slice(0, 20))} of ${line.length}`] = {
    steps: [
      HELLO,
      MAIL,
      RCPT,
      [
        [line, 'RSET', MAIL[0], RCPT[0], 'DATA', TEXT],
        ['501 5.5.4', '421 4.7.0', 'closed'],
      ],
    ],
    accepted: 0,
  }

for (const [name, conversation] of Object.entries(CONVERSATIONS))
  test(name, async () => {
    const { rules = {}, policies = {} } = conversation
    await using world = await startWorld({ rules, policies })
    if (conversation.store !== undefined) world.queue.fail.store = conversation.store
    if (conversation.accept !== undefined) world.queue.fail.accept = conversation.accept
    await using talk = await world.dial()
    expect(await talk.hear()).toBe('220 relay.test ESMTP Waypost')
    for (const [say, hear] of conversation.steps) {
      const lines = typeof say === 'string' ? [say] : say
      talk.write(lines.map((line) => (isChunk(line) ? line : `${line}\r\n`)).join(''))
      for (const reply of typeof hear === 'string' ? [hear] : hear)
        expect((await talk.hear()).slice(0, reply.length)).toBe(reply)
    }
    expect(world.queue.accepted).toHaveLength(conversation.accepted)
  })
