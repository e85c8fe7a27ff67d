// What `waypost status` and `waypost processes` say, of both engines.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RedisPlace } from '../../src/queue/bullmq/place.ts'
import { startControl } from '../../src/admin/control/control.ts'
import { systemClock } from '../../src/base/clock.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import type { About } from '../../src/queue/port/control.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { until } from '../peers/process.ts'
import { lane } from '../queue/mail.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { waypost, type Run } from './run.ts'

const ABOUT: About = {
  name: 'out-1',
  hostname: 'relay.example',
  version: '1.2.3',
  roles: ['deliver', 'admin'],
  sources: ['192.0.2.7'],
  listeners: [],
}

describe('of the embedded engine', () => {
  let folder = ''

  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'waypost-status-'))))
  afterAll(() => rm(folder, { recursive: true, force: true }))

  function run(words: string): Promise<Run> {
    return waypost(words, { data: folder })
  }

  test('it names the folder, what a 250 means and the one process', async () => {
    const about = (): About => ABOUT
    const keep = { historyAge: 3_600_000, historySize: 1e9, diskReserve: 0 }
    await using queue = await openSqliteQueue({ folder, clock: systemClock, about, ...keep })
    await using _control = await startControl({ folder, queue })
    const { code, out } = await run('status')
    expect(out).toContain(`engine     sqlite in ${folder}\n`)
    expect(out).toMatch(/^250 means {2}every message is synced to disk before its 250$/m)
    expect(out).toContain('processes  1 alive\n')
    expect(out).toContain('recipients none wait\n')
    expect(code).toBe(0)
    const list = await run('processes')
    expect(list.code).toBe(0)
    expect(list.out).toMatch(/^NAME +ROLES +LEASES +UP +SEEN +HOST +PID/)
    expect(list.out).toMatch(/^out-1 +deliver,admin +0 +\w+ +now/m)
  })

  test('where no relay runs it says how to start one, and what the queue was left with, with exit code 1', async () => {
    const { code, out } = await run('status')
    expect(out).toMatch(/^trouble {4}No relay runs: .* start it with `waypost start`$/m)
    expect(out).toContain(`engine     sqlite in ${folder}\n`)
    expect(out).toContain('recipients none wait\n')
    expect(code).toBe(1)
  })

  test('it lists what is suspended, why, since when and until when, and whose policies have a mistake', async () => {
    const clock = systemClock
    const policyProblem = { since: clock.now() - 60_000, text: 'relay.yaml:1: "alow" is unknown' }
    const about = (): About => ({ ...ABOUT, policyProblem })
    await using queue = await openSqliteQueue({ folder, clock, about, diskReserve: 0 })
    await using _control = await startControl({ folder, queue })
    const since = clock.now() - 3_600_000
    const [one, two] = [lane('one.example'), lane('two.example')]
    const login = { cause: 'login', since } as const
    const until = clock.now() + 600_000
    await queue.suspend([one, two], 'smart.example:587', until, '535 5.7.8 Wrong\u001b[2J', login)
    const { out } = await run('status')
    expect(out).toMatch(
      /^suspended {2}smart\.example:587 \(2 lanes\) since 1h( \w+)? ago \(.*\), until in (10m|9m \d+s) \(.*\): login: 535 5\.7\.8 Wrong/m,
    )
    expect(out).not.toContain('\u001b')
    expect(out).toMatch(
      /^policies {3}The files of out-1 have a mistake.* in force since 1m .*relay\.yaml:1: "alow"/m,
    )
    const { json } = await run('status --json')
    expect(json).toMatchObject([
      { suspended: 2, stops: [{ what: 'smart.example:587', lanes: 2, cause: 'login' }] },
    ])
  })
})

describe('of the Redis engine', () => {
  let server: RedisServer

  beforeAll(async () => void (server = await startRedis()))
  afterAll(() => server[Symbol.asyncDispose]())

  let prefix = ''
  let prefixes = 0

  function open(about: Partial<About> = {}): Promise<Queue> {
    return openBullmqQueue({
      address: readAddress(server.url),
      prefix,
      clock: systemClock,
      wish: { replicas: 0, relaxed: false },
      about: () => ({ ...ABOUT, ...about }),
      leaseMilliseconds: 1000,
    })
  }

  function run(words: string, wish: Partial<RedisPlace['wish']> = {}): Promise<Run> {
    const redis: RedisPlace = {
      address: readAddress(server.url),
      prefix,
      wish: { replicas: 0, relaxed: false, ...wish },
    }
    const places = {
      data: '/nonexistent',
      config: '/nonexistent',
      own: '/nonexistent',
      hostname: 'x.example',
      redis,
    }
    return waypost(words, { context: { places: () => places } })
  }

  function freshPrefix(): void {
    prefix = `status${++prefixes}`
  }

  test('it tells what the server is, from a machine where no relay runs', async () => {
    freshPrefix()
    await using _queue = await open()
    const { code, json } = await run('status --json')
    expect(json).toMatchObject([
      {
        engine: 'bullmq',
        at: server.url,
        isRelaxed: false,
        trouble: null,
        server: {
          appendonly: 'yes',
          appendfsync: 'always',
          'maxmemory-policy': 'noeviction',
          role: 'master',
          version: expect.stringMatching(/^\d+\.\d+/),
        },
        processes: { alive: 1, dead: 0 },
        recipients: {},
        suspended: 0,
        holds: 0,
      },
    ])
    expect(code).toBe(0)
    expect((await run('status')).out).toMatch(/^server +product \w+, version .*maxmemory none/m)
  })

  test('a server that a relay would refuse is told as trouble, with exit code 1', async () => {
    freshPrefix()
    await using _queue = await open()
    const redis = await server.client()
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const { code, out } = await run('status')
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    redis.disconnect()
    expect(out).toMatch(/^trouble +Redis would throw mail away .* set it to noeviction$/m)
    expect(code).toBe(1)
  })

  test('without a relay it says so, with exit code 1', async () => {
    freshPrefix()
    const { code, out } = await run('status')
    expect(out).toContain('processes  none lives, start one with `waypost start`\n')
    expect(code).toBe(1)
    const list = await run('processes')
    expect(list.err).toContain('No relay shares this queue')
    expect(list.code).toBe(1)
  })

  test('a process that dies is listed as dead, and one that leaves is not listed', async () => {
    freshPrefix()
    const redis = await server.client()
    const dead = { ...ABOUT, host: 'x', pid: 7, startedAt: 1, seenAt: Date.now(), leases: 3 }
    await redis.hset(`{${prefix}}/processes`, 'gone', JSON.stringify({ ...dead, name: 'out-3' }))
    await redis.zadd(`{${prefix}}/alive`, 0, 'gone')
    redis.disconnect()
    await using _living = await open({ name: 'in-1', roles: ['listen'] })
    const leaving = await open({ name: 'out-2' })
    await leaving[Symbol.asyncDispose]()
    const rows = async (): Promise<unknown[]> =>
      (await run('processes --json')).json.map(({ name, isDead, leases, seenAt }) => [
        name,
        isDead,
        leases,
        typeof seenAt,
      ])
    const expected = JSON.stringify([
      ['out-3', true, 0, 'string'],
      ['in-1', false, 0, 'string'],
    ])
    await until(async () => JSON.stringify(await rows()) === expected, 'its leases to return')
    expect((await run('processes')).out).toMatch(/^out-3 .* dead, /m)
    expect((await run('status')).out).toContain(
      '1 alive, 1 dead within the last hour: see `waypost processes`',
    )
  })
})
