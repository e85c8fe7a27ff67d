// `npm run board`: bull-board reads the lanes that the engine keeps, and changes none.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import type { About } from '../../src/queue/port/control.ts'
import { ManualClock } from '../peers/clock.ts'
import { run, until } from '../peers/process.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { HOUR, send } from '../queue/mail.ts'

const PREFIX = 'board'
const HOP = 'smart.example:587/me%40near.example'
const ABOUT: About = {
  name: 'test',
  hostname: 'relay.test',
  roles: ['listen'],
  sources: ['test'],
  listeners: [],
}

let redis: RedisServer
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  redis = await startRedis()
  env = { ...process.env, WAYPOST_REDIS: redis.url, WAYPOST_REDIS_PREFIX: PREFIX }
  await using queue = await openBullmqQueue({
    address: readAddress(redis.url),
    prefix: PREFIX,
    clock: systemClock,
    wish: { replicas: 0, relaxed: false },
    about: () => ABOUT,
  })
  const clock = new ManualClock(Date.now())
  for (let n = 0; n < 3; n++) await send(queue, clock)
  await send(queue, clock, { due: clock.now() + HOUR })
  await send(queue, clock, { destination: HOP })
})
afterAll(() => redis[Symbol.asyncDispose]())

interface Lane {
  readonly name: string
  readonly counts: Readonly<Record<string, number>>
  readonly jobs: readonly { readonly id: string; readonly data: object }[]
  readonly readOnlyMode: boolean
}

test('the busiest lanes are shown, with what is due and what waits for its time', async () => {
  await using board = await startBoard()
  const [far, hop, ...more] = await board.lanes('far.example')
  expect(more).toEqual([])
  expect(far).toMatchObject({ name: 'far.example', readOnlyMode: true })
  expect(far!.counts).toMatchObject({ prioritized: 3, delayed: 1, active: 0 })
  expect(far!.jobs).toHaveLength(4)
  expect(far!.jobs[0]!.data).toEqual({ to: 'far.example' })
  expect(hop!.counts).toMatchObject({ prioritized: 1, delayed: 0 })
  const page = await fetch(board.url)
  expect(await page.text()).toContain('<title>Waypost lanes</title>')
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
  expect(await board.end()).toBe(0)
})

test('a lane is shown by the name that routing gives it, and stays as it is', async () => {
  await using client = await redis.client().then(disposable)
  const before = await client.redis.keys('*')
  await using board = await startBoard(HOP)
  const name = decodeURIComponent(HOP)
  const [hop, ...more] = await board.lanes(name)
  expect(more).toEqual([])
  expect(hop).toMatchObject({ name, jobs: [{ data: { to: HOP } }] })
  const emptied = await fetch(`${board.url}api/queues/${encodeURIComponent(name)}/empty`, {
    method: 'PUT',
  })
  expect(emptied.status).toBe(405)
  expect((await board.lanes(name))[0]!.counts['prioritized']).toBe(1)
  expect(before).toEqual(expect.arrayContaining(await client.redis.keys('*')))
  expect(await board.end()).toBe(0)
})

const wrongs: [what: string, environment: object, words: string[], says: string][] = [
  ['without Redis', { WAYPOST_REDIS: '' }, [], 'There is no Redis: set WAYPOST_REDIS'],
  ['where Redis is away', { WAYPOST_REDIS: 'redis://127.0.0.1:1' }, [], 'Cannot reach Redis at'],
  ['without work', { WAYPOST_REDIS_PREFIX: 'other' }, [], 'No lane has work now'],
  ['on a port that is none', {}, ['--port', '70000'], '"70000" is no port'],
]
for (const [what, environment, words, says] of wrongs)
  test(`${what} the board says so and ends`, async () => {
    const node = process.execPath
    const ran = await run(node, ['scripts/board.ts', ...words], { ...env, ...environment })
    expect(ran.err).toContain(`board: ${says}`)
    expect(ran.err.trimEnd().split('\n')).toHaveLength(1)
    expect(ran.code).toBe(1)
  })

test('the help shows an example', async () => {
  const { code, out } = await run(process.execPath, ['scripts/board.ts', '--help'], env)
  expect(out).toContain('npm run board -- far.example')
  expect(code).toBe(0)
})

interface Board extends AsyncDisposable {
  readonly url: string
  lanes(open: string): Promise<Lane[]>
  /** Ctrl-C; resolves with the exit code. */
  end(): Promise<number | null>
}

async function startBoard(...words: string[]): Promise<Board> {
  const child = spawn(process.execPath, ['scripts/board.ts', '--port', '0', ...words], { env })
  const exit = once(child, 'exit') as Promise<[number | null]>
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const urlIn = (): string | undefined => /http:\/\/127\.0\.0\.1:\d+\//.exec(said)?.[0]
  await until(
    () => urlIn() !== undefined || child.exitCode !== null,
    () => `an address: ${said}`,
  )
  const url = urlIn() ?? ''
  return {
    url,
    async lanes(open) {
      const query = new URLSearchParams({ activeQueue: open, page: '1', jobsPerPage: '10' })
      const response = await fetch(`${url}api/queues?${query.toString()}`)
      return ((await response.json()) as { queues: Lane[] }).queues
    },
    async end() {
      child.kill('SIGINT')
      return (await exit)[0]
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

function disposable(client: Awaited<ReturnType<RedisServer['client']>>) {
  return { redis: client, [Symbol.asyncDispose]: async () => client.disconnect() }
}
