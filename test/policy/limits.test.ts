import { expect, test } from 'vitest'
import { formatDuration } from '../../src/base/units.ts'
import { policyOf } from './folder.ts'

const SHAPING = `- { default: true, connections: 30 }
- { mx: ['*.google.test'], connections: 50 }
- { mx: ['*.l.google.test'], messages-per-connection: 7 }
- { mx: [mx.small.test, 10.0.0.5], connections: 2, messages-per-connection: 10 }
`

const cases: [hosts: string[], connections: number, messages: number, at: string][] = [
  [['mx.other.test'], 30, 100, 'shaping.yaml:1, built-in default'],
  [['a.google.test'], 50, 100, 'shaping.yaml:2, built-in default'],
  [['A.L.Google.Test'], 50, 7, 'shaping.yaml:2, shaping.yaml:3'],
  [['mx.small.test'], 2, 10, 'shaping.yaml:4'],
  [['10.0.0.5'], 2, 10, 'shaping.yaml:4'],
  [['a.google.test', 'mx.other.test'], 30, 100, 'shaping.yaml:1, built-in default'],
  [['mx.other.test', 'a.google.test'], 30, 100, 'shaping.yaml:1, built-in default'],
  [[], 30, 100, 'shaping.yaml:1, built-in default'],
]

for (const [hosts, connections, messagesPerConnection, at] of cases) {
  test(`a site of ${hosts.join(' and ') || 'no host'} gets ${connections} connections`, async () => {
    const policy = await policyOf({ 'shaping.yaml': SHAPING })
    expect(policy.limits(hosts)).toEqual({ connections, messagesPerConnection, at })
  })
}

test('without a file a site gets 20 connections and 100 messages on each', async () => {
  const limits = (await policyOf({})).limits(['mx.x.test'])
  expect(limits).toEqual({ connections: 20, messagesPerConnection: 100, at: 'built-in default' })
})

test('a value that stands twice for the same hosts is pointed out', async () => {
  const { warnings } = await policyOf({
    'shaping.yaml': `${SHAPING}- { default: true, connections: 1 }`,
  })
  expect(warnings).toEqual([
    {
      level: 'warning',
      at: 'shaping.yaml:5',
      text: 'says "connections" for the same hosts as shaping.yaml:1, which comes first',
    },
  ])
})

test('listeners keep to the file, and to the defaults for what it leaves out', async () => {
  const { listen } = await policyOf({
    'listen.yaml': `size: 10MB
connections-per-client: 5
deadlines: { idle: 30s }
bare-line-ends: refuse
missing-from: leave
auth-without-tls: loopback
`,
  })
  expect(listen).toEqual({
    contentRate: 1024,
    bareLfCommands: expect.any(Function) as unknown,
    size: 10 * 1024 * 1024,
    recipients: 1000,
    connections: 2000,
    connectionsPerClient: 5,
    hops: 50,
    deadlines: { command: 300_000, message: 600_000, idle: 30_000, age: 600_000 },
    bareLineEnds: 'refuse',
    missingFrom: 'leave',
    authWithoutTls: 'loopback',
  })
})

test('a queue keeps to its file, and to the default for what it leaves out', async () => {
  const policy = await policyOf({ 'queues/urgent.yaml': '# once\nretry: [10s, 500ms]\n' })
  const { retry, ...rest } = policy.queue('urgent')
  expect(retry).toEqual([10_000, 500])
  expect(rest).toEqual({
    name: 'urgent',
    priority: 10,
    giveUpAfter: 432_000_000,
    at: 'queues/urgent.yaml:2',
  })
})

test('mail of a queue whose file is gone uses default', async () => {
  const policy = await policyOf({ 'queues/default.yaml': 'priority: 7' })
  expect(policy.queue('gone')).toMatchObject({ name: 'default', priority: 7 })
  expect((await policyOf({})).queue('gone')).toMatchObject({ name: 'default', priority: 10 })
})

test('a queue that gives up before it retries or warns is pointed out', async () => {
  const text = 'retry: [1h]\ngive-up-after: 10m\nwarn-after: 10m'
  const { warnings } = await policyOf({ 'queues/odd.yaml': text })
  expect(warnings.map((warning) => warning.at)).toEqual(['queues/odd.yaml:1', 'queues/odd.yaml:1'])
})

test('durations in queues are milliseconds', async () => {
  const { retry } = (await policyOf({})).queue('default')
  expect(retry.map(formatDuration)).toEqual(['1m', '5m', '15m', '30m', '1h', '2h', '4h'])
})
