// What is true of every way in, told by one that is no SMTP: a program hands over a sender, its
// recipients and a text.

import { expect, test } from 'vitest'
import type { RelayEvent } from '../../src/mail/event.ts'
import type { ListenRules, Policy } from '../../src/policy/policy.ts'
import type { Visit } from '../../src/submit/admission.ts'
import type { Refusal, Verdict } from '../../src/submit/verdict.ts'
import type { Kept } from './world.ts'
import { parseAddress } from '../../src/mail/address.ts'
import { QueueError } from '../../src/queue/port/types.ts'
import { Admission } from '../../src/submit/admission.ts'
import { Content } from '../../src/submit/content.ts'
import { Message } from '../../src/submit/message.ts'
import { objection, Submission } from '../../src/submit/submission.ts'
import { testPolicy, TestQueue } from './world.ts'

const AT = Date.UTC(2026, 10, 22)
const TEXT = 'From: Ana <ana@near.example>\r\nSubject: Hello\r\n\r\nHello\r\n'

interface Letter {
  readonly from?: string
  readonly to?: readonly string[]
  readonly text?: string
  readonly user?: string
  readonly visit?: Partial<Visit>
  readonly policy?: Partial<Policy> & { rules?: Partial<ListenRules> }
  readonly queue?: TestQueue
}

interface Outcome {
  readonly verdict: Verdict
  readonly kept: Kept | undefined
  readonly events: readonly RelayEvent[]
}

/** A whole way in, with the first refusal as its answer. */
async function handIn(letter: Letter): Promise<Outcome> {
  const { queue = new TestQueue() } = letter
  const events: RelayEvent[] = []
  const verdict = await verdictOn(letter, queue, events)
  return { verdict, kept: queue.accepted[0], events }
}

async function verdictOn(
  { from = 'ana@near.example', to = ['bo@far.example'], text = TEXT, user, ...given }: Letter,
  queue: TestQueue,
  events: RelayEvent[],
): Promise<Verdict> {
  const policy = testPolicy(given.policy)
  const visit = { client: '192.0.2.1', loopback: false, usersOnly: false, ...given.visit }
  const admission = new Admission(visit)
  const announced = { sender: parseAddress(from), size: text.length, smtpUtf8: false }
  const refusal = admission.refusal(policy, user) ?? objection(policy, queue, user, announced)
  if (refusal !== undefined) return { kind: 'refused', refusal }
  const submission = new Submission(announced)
  for (const address of to) {
    const added = submission.add(policy, { address: parseAddress(address)! })
    if (typeof added === 'object') return { kind: 'refused', refusal: added }
  }
  const rule = admission.verdict(policy, user).at
  const submitter = { protocol: 'local', rule, ...(user === undefined ? {} : { user }) }
  const report = (event: RelayEvent): void => void events.push(event)
  const reception = { hostname: 'relay.test', queue, report, clock: { now: () => AT } }
  const message = new Message(reception, policy, submission, submitter, undefined)
  const content = new Content(message, () => {})
  content.push(Buffer.from(text, 'latin1'))
  return content.finish()
}

test('mail is accepted, stored and told without a word of SMTP', async () => {
  const to = ['bo@far.example', 'cy@far.example', 'di@other.example']
  const { verdict, kept, events } = await handIn({ to })
  expect(verdict).toEqual({ kind: 'accepted', id: 'm1' })
  expect(kept?.content).toBe(
    `Received: by relay.test with local id m1;\r\n\tSun, 22 Nov 2026 00:00:00 +0000\r\n` +
      `Date: Sun, 22 Nov 2026 00:00:00 +0000\r\nMessage-ID: <m1@relay.test>\r\n${TEXT}`,
  )
  expect(kept?.mail.envelope).toMatchObject({
    submitter: { protocol: 'local', rule: 'relay.yaml:1' },
    fromDomains: ['near.example'],
    messageIdField: '<m1@relay.test>',
  })
  expect(kept?.mail.deliveries).toMatchObject([
    { recipients: [0, 1], due: AT, expireAt: AT + 86_400_000, warnAt: AT + 3_600_000 },
    { recipients: [2], due: AT, expireAt: AT + 86_400_000, warnAt: AT + 3_600_000 },
  ])
  expect(events).toEqual([
    {
      kind: 'accepted',
      at: AT,
      id: 'm1',
      from: 'ana@near.example',
      to,
      bytes: kept?.content.length,
      protocol: 'local',
      rule: 'relay.yaml:1',
    },
  ])
})

test('a recipient that is named twice has the message once', async () => {
  const to = ['bo@far.example', 'bo@far.example', 'Bo@far.example', 'Bo@far.example']
  const { kept } = await handIn({ to })
  const addresses = kept?.mail.envelope.recipients.map(({ address }) => address.local)
  expect(addresses).toEqual(['bo', 'Bo'])
})

const no = (at: string) => () => ({ allowed: false, at })
const ana = { name: 'ana', password: '', senders: ['near.example'], at: 'users.yaml:2' }

const refusals: [why: string, letter: Letter, refusal: Partial<Refusal>][] = [
  [
    'no rule lets the client relay',
    { policy: { mayRelay: () => ({ action: 'refuse', at: 'relay.yaml:9' }) } },
    { about: 'relaying', status: '5.7.1', rule: 'relay.yaml:9' },
  ],
  [
    'a rule could let it in as a user',
    { policy: { mayRelay: () => ({ action: 'authenticate', at: 'relay.yaml:9' }) } },
    { about: 'auth', text: 'Authentication required', rule: 'relay.yaml:9' },
  ],
  [
    'the way in is for users, and it is none',
    { visit: { usersOnly: true } },
    { about: 'auth', text: 'Authentication required', rule: 'relay.yaml:1' },
  ],
  [
    'the rule for loopback does not hold there',
    {
      visit: { client: '127.0.0.1' },
      policy: {
        mayRelay: ({ listenerLoopback }) => ({
          action: listenerLoopback ? 'allow' : 'refuse',
          at: 'relay.yaml:1',
        }),
      },
    },
    { about: 'relaying', text: expect.stringContaining('WAYPOST_LISTEN=') as string },
  ],
  [
    'its user may not use the sender',
    { user: 'ana', policy: { maySend: no('users.yaml:3') } },
    { about: 'sender', status: '5.7.1', rule: 'users.yaml:3' },
  ],
  [
    'its user may not use the author',
    {
      user: 'ana',
      text: TEXT.replace('<ana@', '<boss@'),
      policy: {
        maySend: (_user, sender) => ({ allowed: sender?.local === 'ana', at: 'users.yaml:3' }),
      },
    },
    { about: 'sender', text: expect.stringContaining('as the author') as string },
  ],
  [
    'nobody can say for certain who its author is',
    { user: 'ana', text: TEXT.replace('<ana@', '<<ana@'), policy: { user: () => ana } },
    { about: 'content', status: '5.6.0', rule: 'users.yaml:2' },
  ],
  [
    'no rule routes a recipient',
    { to: ['bo@nowhere.test'] },
    { about: 'route', status: '5.4.4', text: 'No route to this recipient' },
  ],
  [
    'there are too many recipients',
    { to: ['bo@far.example', 'cy@far.example'], policy: { rules: { recipients: 1 } } },
    { about: 'recipients', status: '4.5.3' },
  ],
  ['it is too big', { policy: { rules: { size: 10 } } }, { about: 'size', status: '5.3.4' }],
  [
    'it has no author and needs one',
    { text: 'Subject: Hello\r\n\r\n', policy: { rules: { missingFrom: 'refuse' } } },
    { about: 'content', text: 'The header has no From' },
  ],
  [
    'it goes in circles',
    { text: `Received: by a; x\r\n${TEXT}`, policy: { rules: { hops: 0 } } },
    { about: 'loop', status: '5.4.6' },
  ],
  [
    'a line of its header is no field',
    { text: `From: Ana <ana@near.example>\r\nHello\r\nBcc: cy@far.example\r\n\r\n` },
    { about: 'content', text: expect.stringMatching(/^Line 2 is no header field/) as string },
  ],
  [
    'a line ends with LF alone, and that is refused',
    { text: TEXT.replaceAll('\r', ''), policy: { rules: { bareLineEnds: 'refuse' } } },
    { about: 'content', text: 'Content has a CR or LF that is not part of a CRLF' },
  ],
]
for (const [why, letter, refusal] of refusals)
  test(`mail is refused when ${why}`, async () => {
    const { verdict, kept, events } = await handIn(letter)
    expect(verdict).toEqual({
      kind: 'refused',
      refusal: expect.objectContaining(refusal) as Refusal,
    })
    expect(kept).toBeUndefined()
    expect(events).toEqual([])
  })

for (const [trouble, about] of [
  ['full', 'space'],
  ['away', 'storage'],
] as const)
  test(`nothing is asked for while storage is ${trouble}`, async () => {
    const queue = new TestQueue()
    queue.refused = trouble
    const { verdict } = await handIn({ queue })
    expect(verdict).toMatchObject({ kind: 'refused', refusal: { about } })
  })

test('storage that fails refuses for now, takes nothing and is noted', async () => {
  const queue = new TestQueue()
  queue.fail.accept = new QueueError('full', 'no room')
  const { verdict, kept, events } = await handIn({ queue })
  expect(verdict).toMatchObject({ kind: 'refused', refusal: { about: 'space', status: '4.3.1' } })
  expect(kept).toBeUndefined()
  expect(queue.discarded).toHaveLength(1)
  expect(events).toEqual([
    {
      kind: 'note',
      at: AT,
      level: 'error',
      text: 'Cannot accept the message m1',
      cause: 'no room',
    },
  ])
})
