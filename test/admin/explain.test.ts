import { expect, test } from 'vitest'
import { explain } from '../../src/admin/cli/story.ts'
import { parseAddress } from '../../src/mail/address.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Outcome } from '../../src/mail/outcome.ts'
import type { Fact } from '../../src/queue/port/history.ts'
import type { Trace } from '../../src/queue/port/reader.ts'
import type { DeliveryId, MessageId } from '../../src/queue/port/types.ts'

const AT = Date.parse('2026-11-22T12:00:00Z')
const LANE = 'far.example' as Destination
const DELIVERY = 'm1-1' as DeliveryId
const BO = parseAddress('bo@far.example')!

const ACCEPTED: Fact = {
  kind: 'accepted',
  at: AT,
  envelope: {
    sender: parseAddress('ana@near.example'),
    recipients: [{ address: BO }],
    submitter: { client: '192.0.2.7', protocol: 'ESMTP', rule: 'relay.yaml:1' },
    size: 4096,
    eightBit: false,
    smtpUtf8: false,
    fromDomains: [],
  },
  deliveries: [
    { id: DELIVERY, destination: LANE, queue: 'default', rule: 'routing.yaml:4', recipients: [0] },
  ],
}

function outcome(kind: Outcome['kind'], code: number, text: string): Outcome {
  return { kind, stage: 'rcpt', scope: 'recipient', by: 'server', reply: { code, text } }
}

function settled(seconds: number, said: Outcome, verdict: 'retry' | 'untried'): Fact {
  const at = AT + seconds * 1000
  const due = at + 60_000
  return {
    kind: 'settled',
    at,
    delivery: DELIVERY,
    attempt: {
      startedAt: at - 1500,
      endedAt: at,
      host: 'mx.far.example',
      address: '192.0.2.1',
      port: 25,
      tls: { version: 'TLSv1.3', cipher: 'x', verified: false },
      signed: 'd=near.example s=s2026 rsa',
      notes: ['mx0.far.example: connection refused'],
    },
    results: [{ n: 0, outcome: said, verdict: { kind: verdict, due } }],
  }
}

function traceOf(facts: Fact[], more: Partial<Trace> = {}): Trace {
  const entry = {
    id: 'm1' as MessageId,
    delivery: DELIVERY,
    n: 0,
    state: 'waiting',
    from: 'ana@near.example',
    to: 'bo@far.example',
    queue: 'default',
    destination: LANE,
    acceptedAt: AT,
    attempts: 2,
    next: AT + 300_000,
    size: 4096,
  } as const
  return { id: 'm1' as MessageId, facts, entries: [entry], suspended: [], ...more }
}

test('a trace tells who gave the message, by which rules it goes where, and each reply word for word', () => {
  const lines = explain(
    traceOf([
      ACCEPTED,
      settled(10, outcome('deferred', 450, 'Come back\nlater'), 'retry'),
      settled(70, outcome('deferred', 421, 'Too busy'), 'untried'),
      settled(130, outcome('deferred', 450, 'Not yet'), 'retry'),
    ]),
    AT + 130_000,
  )
  expect(lines).toEqual([
    '2026-11-22T12:00:00.000Z  accepted    4KB from ana@near.example',
    '                          from 192.0.2.7 with ESMTP, allowed by relay.yaml:1',
    '                          m1-1 to far.example on queue default (routing.yaml:4): bo@far.example',
    '2026-11-22T12:00:10.000Z  attempt 1   with mx.far.example [192.0.2.1]:25, TLSv1.3 (certificate not verified), took 1.5s',
    '                          signed d=near.example s=s2026 rsa',
    '                          mx0.far.example: connection refused',
    '                          bo@far.example: deferred at rcpt: the server said "450 Come back / later"; next attempt 2026-11-22T12:01:10Z',
    expect.stringContaining('not tried'),
    expect.anything(),
    expect.anything(),
    '                          bo@far.example: deferred at rcpt: the server said "421 Too busy"; this burns no attempt, next 2026-11-22T12:02:10Z',
    expect.stringContaining('attempt 2'),
    expect.anything(),
    expect.anything(),
    expect.anything(),
    '',
    'bo@far.example: waiting after 2 attempts, next in 2m 50s (2026-11-22T12:05:00Z)',
  ])
})

test('a suspended lane says until when it waits and why', () => {
  const suspended = [
    {
      lane: LANE,
      site: 'mx.far.example',
      until: AT + 60_000,
      reason: 'no host can be reached',
      cause: 'connect' as const,
      since: AT,
    },
  ]
  expect(explain(traceOf([ACCEPTED], { suspended }), AT).at(-1)).toBe(
    '    mx.far.example is suspended until 2026-11-22T12:01:00Z (in 1m): no host can be reached',
  )
})

test('a due recipient whose site has no connection left says so, and one that is not due does not', () => {
  const trace = traceOf([ACCEPTED], { busy: [LANE] })
  expect(explain(trace, AT + 300_000).at(-1)).toBe(
    '    all connections that the site of far.example may have are in use',
  )
  expect(explain(trace, AT).at(-1)).toContain('next in 5m')
  const busy = ['other.example' as Destination]
  expect(explain({ ...trace, busy }, AT + 300_000).at(-1)).toContain('due since')
})

test('an act names who did it and why, and a held recipient says so', () => {
  const trace = traceOf([
    { kind: 'act', at: AT, act: 'hold', delivery: DELIVERY, who: 'ana', why: 'their outage' },
    { kind: 'interrupted', at: AT, delivery: DELIVERY },
  ])
  const { next: _, ...entry } = trace.entries[0]!
  const held = { who: 'ana', why: 'their outage' }
  const lines = explain({ ...trace, entries: [{ ...entry, state: 'held', held }] }, AT)
  expect(lines[0]).toMatch(/  hold +by ana: their outage$/)
  expect(lines[1]).toContain('interrupted')
  expect(lines.at(-1)).toBe(
    'bo@far.example: held by ana: their outage; it waits until `waypost queue release m1`',
  )
})

test('held mail names each hold that stands on it, and what a refused one waits for', () => {
  const { next: _, ...entry } = traceOf([]).entries[0]!
  const also = [
    { scope: { kind: 'queue', name: 'bulk' }, who: 'cy', why: 'too much', at: AT } as const,
  ]
  const held = { who: 'ana', why: '', scope: { kind: 'destination', name: LANE }, also } as const
  const lines = explain({ ...traceOf([]), entries: [{ ...entry, state: 'held', held }] }, AT)
  expect(lines.at(-1)).toBe(
    'bo@far.example: held by ana (the hold on destination far.example); it waits until ' +
      '`waypost queue release --destination far.example`; then the hold on queue bulk (by cy: too much) ' +
      'stands until `waypost queue release --queue bulk`',
  )
  const refused = { who: 'ana', why: 'spam' }
  const now = explain({ ...traceOf([]), entries: [{ ...entry, refused }] }, AT)
  expect(now.at(-1)).toContain(
    'refused by ana: spam; it ends as bounced when its notice is written',
  )
})

test('a status that the server gave is explained, and nothing is added to our own words', () => {
  const said = outcome('refused', 550, 'No such user')
  const reply = { ...said.reply, status: '5.1.1' }
  const lines = explain(traceOf([settled(1, { ...said, reply }, 'retry')]), AT)
  expect(lines.join('\n')).toContain(
    '"550 5.1.1 No such user" (there is no mailbox with this address); next attempt',
  )
  const ours = explain(traceOf([settled(1, { ...said, reply, by: 'relay' }, 'retry')]), AT)
  expect(ours.join('\n')).toContain('the relay says "550 5.1.1 No such user"; next attempt')
})

test('what goes several ways names its deliveries', () => {
  const trace = traceOf([settled(1, outcome('deferred', 450, 'Not yet'), 'retry')])
  const other = { ...trace.entries[0]!, n: 1, delivery: 'm1-2' as DeliveryId }
  const lines = explain({ ...trace, entries: [...trace.entries, other] }, AT)
  expect(lines[0]).toContain('attempt 1   m1-1 with mx.far.example')
})

test('lines end where the terminal does, at a space, and go on further in', () => {
  const said = outcome('deferred', 450, `Come back later ${'and later '.repeat(20)}`)
  const lines = explain(traceOf([ACCEPTED, settled(1, said, 'retry')]), AT, 80)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
  expect(lines).toContain(`${' '.repeat(28)}bo@far.example`)
  const again = explain(traceOf([ACCEPTED, settled(1, said, 'retry')]), AT)
  const words = (all: string[]): string[] => all.join(' ').split(/\s+/)
  expect(words(lines)).toEqual(words(again))
})

test('whatever a server says, a terminal sees no control character', () => {
  const said = outcome('refused', 550, '\x1b]0;owned\x07 \u202egnp.exe \u009b2J')
  for (const line of explain(traceOf([ACCEPTED, settled(1, said, 'retry')]), AT))
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u)
})
