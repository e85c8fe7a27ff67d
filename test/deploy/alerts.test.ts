// What Prometheus makes of us: a page that its own checker and a strict reader of OpenMetrics pass, and
// alert rules that fire when they should.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createMetrics, type MetricsOptions } from '../../src/events/metrics.ts'
import { REASONS, reasonOf } from '../../src/events/refusal.ts'
import { ATTEMPTED, ENDED } from '../events/events.ts'
import { need } from '../peers/debian.ts'

const ROOT = join(import.meta.dirname, '../..')
const noPromtool = await need('prometheus')
const noParser = await need('python3-prometheus-client')

const OPTIONS: MetricsOptions = {
  version: '1.2.3',
  queues: () => ['default'],
  certificateEnd: () => Date.parse('2027-01-01T00:00:00Z'),
  queue: () => ({
    counts: async () => [{ key: 'waiting', count: 1 }],
    oldest: async () => [{ state: 'waiting', queue: 'default', acceptedAt: 0 }],
    suspensions: async () => [{ lane: 'far.example', cause: 'login' }],
    holds: async () => [{ scope: { kind: 'all' } }],
    engine: async () => ({
      engine: 'sqlite',
      isRelaxed: false,
      disk: { free: 5, reserve: 1 },
      server: { version: '8', 'used-memory': 5, maxmemory: 9 },
    }),
    processes: async () => [{ isDead: false }],
  }),
}

async function page(accept?: string): Promise<string> {
  const metrics = createMetrics(OPTIONS)
  metrics.report(ATTEMPTED)
  metrics.report(ENDED)
  metrics.report({ kind: 'committed', at: 0, milliseconds: 2, operations: 3 })
  const refused = { kind: 'refused', at: 0, client: '192.0.2.1' } as const
  metrics.report({ ...refused, command: 'RCPT', reply: '550 5.7.1 Relaying is not allowed' })
  return (await metrics.scrape(accept)).text
}

test.skipIf(noPromtool)('promtool has nothing to say against /metrics', async () => {
  expect(await run('promtool', ['check', 'metrics'], await page())).toBe('')
})

// What it reads must come to an end with "# EOF", and counters are named without "_total" in their type.
const PARSE = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
families = {f.name: f for f in read(sys.stdin.read())}
print(families['waypost_attempts'].type, families['waypost_log_lines_dropped'].type,
  families['waypost_oldest_seconds'].type, families['waypost_delivery_seconds'].type)`

test.skipIf(noParser)(
  'a strict reader of OpenMetrics reads /metrics, when it asks for it',
  async () => {
    const text = await page('application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.2')
    expect(await run('/usr/bin/python3', ['-c', PARSE], text)).toBe(
      'counter counter gauge histogram\n',
    )
  },
)

test.skipIf(noPromtool)(
  'the shipped alert rules are sound, and fire when they should',
  async () => {
    const rules = join(ROOT, 'scripts/alerts.yaml')
    expect(await run('promtool', ['check', 'rules', rules])).toContain('SUCCESS')
    const cases = join(import.meta.dirname, 'alerts-cases.yaml')
    expect(await run('promtool', ['test', 'rules', cases])).toContain('SUCCESS')
  },
)

test('each reason of a refusal is one of few words', () => {
  const cases: [command: string, reply: string, reason: string][] = [
    ['RCPT', '550 5.7.1 Relaying is not allowed', 'relaying'],
    ['MAIL', '550 5.7.1 This user may not send as that sender', 'sender'],
    ['DATA', '550 5.7.1 This user may not send as the author in From or Sender', 'sender'],
    ['MAIL', '501 5.1.7 Bad sender address syntax', 'syntax'],
    ['MAIL', '555 5.5.4 Parameter not recognised', 'syntax'],
    ['DATA', '503 5.5.1 Need RCPT first', 'sequence'],
    ['MAIL', '530 5.7.0 Authentication required', 'auth'],
    ['MAIL', '530 5.7.0 Say STARTTLS first', 'tls'],
    ['AUTH PLAIN', '454 4.7.0 Authentication is not possible now, try again later', 'auth'],
    ['DATA', '552 5.3.4 Message is too big', 'size'],
    ['RCPT', '452 4.5.3 Too many recipients', 'recipients'],
    ['DATA', '554 5.4.6 Too many hops, this looks like a loop', 'loop'],
    ['MAIL', '452 4.3.1 Storage is full, try again later', 'space'],
    ['DATA', '451 4.3.0 Cannot take mail now, try again later', 'storage'],
    ['connect', '421 4.7.0 Too many connections from your address', 'rate'],
    ['connect', '421 4.3.2 Too many connections, try again later', 'rate'],
    ['RCPT', '550 5.4.4 No route to this recipient', 'route'],
    ['RCPT', 'made up', 'other'],
  ]
  for (const [command, reply, reason] of cases) {
    expect(reasonOf({ command, reply }), reply).toBe(reason)
    expect(REASONS).toContain(reason)
  }
})

function run(program: string, words: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(program, [...words], (_error, out, err) => resolve(out + err))
    child.stdin!.end(input)
  })
}
