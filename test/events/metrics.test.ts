import { expect, test } from 'vitest'
import { createMetrics, type Metrics } from '../../src/events/metrics.ts'
import { createReport } from '../../src/events/report.ts'
import type { Cause } from '../../src/mail/outcome.ts'
import { ATTEMPTED, ENDED, NOTE } from './events.ts'

const QUEUE = {
  counts: async () => [] as { key: string; count: number }[],
  engine: async () => ({ engine: 'sqlite', isRelaxed: false }),
  processes: async () => [{ isDead: false }],
  oldest: async () => [] as { state: string; queue: string; acceptedAt: number }[],
  suspensions: async () => [] as { lane: string; site?: string; cause: Cause }[],
  holds: async () => [] as { scope: { kind: string } }[],
}

async function textOf(metrics: Metrics): Promise<string> {
  return (await metrics.scrape()).text
}

test('attempts count by outcome, class of the reply and stage, without a domain', async () => {
  const metrics = createMetrics()
  metrics.report(ATTEMPTED)
  metrics.report(ATTEMPTED)
  const text = await textOf(metrics)
  expect(text).toContain(
    'waypost_attempts_total{outcome="deferred",class="temporary",stage="rcpt",by="server"} 2',
  )
  expect(text).not.toContain('far.example')
})

test('the time from acceptance to delivery falls into its bucket', async () => {
  const metrics = createMetrics()
  metrics.report(ENDED)
  const text = await textOf(metrics)
  expect(text).toContain('waypost_delivery_seconds_bucket{le="1"} 0')
  expect(text).toContain('waypost_delivery_seconds_bucket{le="2.5"} 1')
  expect(text).toContain('waypost_recipients_ended_total{end="delivered",notice="none"} 1')
})

test('open connections go up and down by direction', async () => {
  const metrics = createMetrics()
  const connection = { kind: 'connection', at: 0, direction: 'out' } as const
  metrics.report({ ...connection, change: 'opened' })
  metrics.report({ ...connection, change: 'opened' })
  metrics.report({ ...connection, change: 'closed' })
  const text = await textOf(metrics)
  expect(text).toContain('waypost_connections_open{direction="out"} 1')
  expect(text).toContain('waypost_connections_open{direction="in"} 0')
  expect(text).toContain('waypost_connections_total{direction="out"} 2')
})

test('the size of the queue is asked at each scrape, and an empty state is zero', async () => {
  let counts = [
    { key: 'waiting', count: 3 },
    { key: 'held', count: 1 },
  ]
  const queue = { ...QUEUE, counts: async () => counts }
  const metrics = createMetrics({ queue: () => queue })
  expect(await textOf(metrics)).toContain('waypost_recipients{state="held"} 1')
  counts = [{ key: 'waiting', count: 3 }]
  const text = await textOf(metrics)
  expect(text).toContain('waypost_recipients{state="waiting"} 3')
  expect(text).toContain('waypost_recipients{state="held"} 0')
})

test('a scrape tells what keeps the queue, and that it is away when it is', async () => {
  let trouble: string | undefined
  const queue = {
    ...QUEUE,
    engine: async () => ({
      engine: 'bullmq',
      isRelaxed: true,
      server: { version: '7.0.15', appendfsync: 'everysec', 'used-memory': 5, maxmemory: 9 },
      ...(trouble === undefined ? {} : { trouble }),
    }),
    processes: async () => [{ isDead: false }, { isDead: true }, { isDead: false }],
  }
  const metrics = createMetrics({ queue: () => queue })
  const text = await textOf(metrics)
  expect(text).toContain(
    'waypost_engine_info{engine="bullmq",durability="relaxed",version="7.0.15",appendfsync="everysec"} 1',
  )
  expect(text).toContain('waypost_redis_memory_bytes 5')
  expect(text).toContain('waypost_redis_maxmemory_bytes 9')
  expect(text).toContain('waypost_processes{state="alive"} 2')
  expect(text).toContain('waypost_processes{state="dead"} 1')
  expect(text).toContain('waypost_takes_mail 1')
  trouble = 'Redis is away'
  queue.processes = () => Promise.reject(new Error(trouble))
  const later = await textOf(metrics)
  expect(later).toContain('waypost_takes_mail 0')
  expect(later).not.toContain('waypost_processes{')
})

test('a command that a client made up makes no label', async () => {
  const metrics = createMetrics()
  const refused = { kind: 'refused', at: 0, client: '192.0.2.1', reply: '500 5.5.2 no' } as const
  metrics.report({ ...refused, command: 'EVIL"} 1\n' })
  metrics.report({ ...refused, command: 'rcpt TO:<a@b>' })
  const text = await textOf(metrics)
  expect(text).toContain('waypost_refusals_total{command="other",reason="syntax"} 1')
  expect(text).toContain('waypost_refusals_total{command="RCPT",reason="syntax"} 1')
  expect(text).not.toContain('EVIL')
})

test('dropped log lines and the version are told', async () => {
  const metrics = createMetrics({ droppedLines: () => 7, version: '1.2.3' })
  const text = await textOf(metrics)
  expect(text).toContain('waypost_log_lines_dropped_total 7')
  expect(text).toContain('waypost_info{version="1.2.3"} 1')
})

test('a sink that throws stops neither the relay nor the other sinks', () => {
  const failures: unknown[] = []
  const seen: string[] = []
  const broken = {
    report() {
      throw new Error('broken')
    },
  }
  const report = createReport(
    [broken, { report: (event) => void seen.push(event.kind) }],
    (error) => failures.push(error),
  )
  report(NOTE)
  report(NOTE)
  expect(seen).toEqual(['note', 'note'])
  expect(failures).toHaveLength(1)
})
