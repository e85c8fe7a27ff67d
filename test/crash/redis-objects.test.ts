// Content in an object store, with everything real: what Redis has lost is made anew from the objects, and
// an object store that is away loses nothing.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { run, startProcess, until, type RelayProcess } from '../peers/process.ts'
import { startRedis, type RedisServer } from '../peers/redis.ts'
import { startS3, type S3Server } from '../peers/s3.ts'
import { numbered, openTalk, sendMail, startLoad } from '../peers/smtp-load.ts'
import { startTally, type Tally } from '../peers/tally.ts'

let redis: RedisServer
let s3: S3Server
let worlds = 0

beforeAll(async () => {
  redis = await startRedis()
  s3 = await startS3()
})
afterAll(async () => {
  await redis[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
})

/** A relay and two sites: far.example answers, and slow.example defers all but its postmaster. */
interface World extends AsyncDisposable {
  readonly relay: RelayProcess
  readonly far: Tally
  readonly slow: Tally
  readonly prefix: string
}

const busy = { recipient: (to: string) => (to.startsWith('post') ? undefined : '451 4.2.1 busy') }

async function startWorld(): Promise<World> {
  await using parts = new AsyncDisposableStack()
  const far = parts.use(await startTally())
  const slow = parts.use(await startTally(busy))
  const prefix = `world${++worlds}`
  const via = ({ port }: Tally): string => `via: { host: 127.0.0.1, port: ${port}, tls: none }`
  const routing = `- { to: [far.example], ${via(far)}, queue: default }\n- { to: ['*'], ${via(slow)}, queue: default }\n`
  const environment = {
    WAYPOST_REDIS: redis.url,
    WAYPOST_REDIS_PREFIX: prefix,
    ...s3.environment,
  }
  const relay = parts.use(await startProcess({ routing, environment }))
  const owned = parts.move()
  const dispose = (): Promise<void> => owned.disposeAsync()
  return { relay, far, slow, prefix, [Symbol.asyncDispose]: dispose }
}

async function send(
  relay: RelayProcess,
  letters: readonly string[][],
  bytes = 500,
): Promise<string[]> {
  await using talk = await openTalk(relay.port)
  const replies: string[] = []
  for (const [number, to] of letters.entries())
    replies.push(
      await sendMail(talk, { from: 'app@near.example', to, content: numbered(number, bytes) }),
    )
  return replies
}

async function objects({ prefix }: World): Promise<string[]> {
  return (await s3.names()).filter((name) => name.startsWith(`${prefix}/`))
}

async function rebuild(relay: RelayProcess, ...words: string[]): Promise<Record<string, number>> {
  const { code, out, err } = await relay.waypost('queue', 'rebuild', '--json', ...words)
  // Where it takes long it says how far it is.
  expect(err.replaceAll(/Messages: .*?(\r|\n|$)/g, '')).toBe('')
  expect(code).toBe(0)
  return JSON.parse(out) as Record<string, number>
}

async function flush(): Promise<void> {
  const client = await redis.client()
  await client.flushall()
  client.disconnect()
}

/** Numbers and recipients of what came, in order. */
function taken({ mails }: Tally): string[] {
  return mails.flatMap(({ number, to }) => to.map((name) => `${number} ${name}`)).sort()
}

test('what Redis has lost is restored, and who has it already gets it no more', async () => {
  await using world = await startWorld()
  const { relay, far, slow } = world
  const kinds = [
    ['ana@far.example'],
    ['bo@slow.example'],
    ['ana@far.example', 'bo@slow.example'],
    ['post@slow.example', 'bo@slow.example'],
    ['bo@slow.example', 'cy@other.example'],
  ]
  const letters = Array.from({ length: 50 }, (_, n) => kinds[n % kinds.length]!)
  const replies = await send(relay, letters)
  expect(replies.filter((reply) => !reply.startsWith('250'))).toEqual([])
  await until(() => far.mails.length === 20 && slow.mails.length === 10, 'the first deliveries')
  const [id = ''] = (await relay.entries('--to', 'cy@other.example')).map((entry) => entry.id)
  const cancelled = await relay.waypost(
    'queue',
    'cancel',
    '--to',
    'cy@other.example',
    '--reason',
    'a test',
    '--yes',
  )
  expect(cancelled.code).toBe(0)
  // Of 50 messages 10 have ended, and of 30 a part.
  await until(async () => (await objects(world)).length === 40 + 30, 'the notes', 30_000)

  await flush()
  expect(await rebuild(relay, '--dry-run')).toMatchObject({ restored: 40, broken: 0 })
  expect(await relay.entries()).toEqual([])
  expect(await rebuild(relay)).toMatchObject({ restored: 40, known: 0, broken: 0 })
  expect(await rebuild(relay)).toMatchObject({ restored: 0, known: 40, broken: 0 })
  expect((await relay.waypost('trace', id)).out).toMatch(/restored .*by \w+/)
  expect(await relay.entries('--id', id, '--state', 'cancelled')).toHaveLength(1)

  slow.rules = {}
  await relay.emptied(60_000)
  expect(taken(far)).toEqual(expected(letters, 'far.example'))
  expect(taken(slow)).toEqual(expected(letters, 'slow.example'))
  await until(async () => (await objects(world)).length === 0, 'the objects to go')
}, 120_000)

function expected(letters: readonly string[][], domain: string): string[] {
  return letters
    .flatMap((to, number) =>
      to.filter((name) => name.endsWith(domain)).map((name) => `${number} ${name}`),
    )
    .sort()
}

test('rebuilding beside a relay that accepts restores nothing that Redis knows of', async () => {
  await using world = await startWorld()
  const { relay, far } = world
  const load = startLoad(relay.port, 8, () => ({ to: ['ana@far.example'], bytes: 2000 }))
  await until(() => far.mails.length > 100, 'a load')
  const results = await Promise.all([rebuild(relay), rebuild(relay), rebuild(relay)])
  for (const { restored, broken } of results) expect([restored, broken]).toEqual([0, 0])
  await load.stop()
  await until(() => far.mails.length >= load.accepted.size, 'all of it', 30_000)
  const numbers = far.mails.map(({ number }) => number!)
  expect(numbers.toSorted((one, other) => one - other)).toEqual(
    [...load.accepted.keys()].toSorted((one, other) => one - other),
  )
  expect(load.refused.size).toBe(0)
}, 60_000)

test('two that rebuild at once restore each message once', async () => {
  await using world = await startWorld()
  const { relay, slow } = world
  const letters = Array.from({ length: 60 }, () => ['bo@slow.example'])
  await send(relay, letters)
  await relay.stop()
  await flush()
  const results = await Promise.all([rebuild(relay), rebuild(relay), rebuild(relay)])
  expect(results.reduce((sum, { restored = 0 }) => sum + restored, 0)).toBe(60)
  slow.rules = {}
  await relay.start()
  await relay.emptied()
  expect(taken(slow)).toEqual(expected(letters, 'slow.example'))
}, 60_000)

test('rebuild says what to do instead where there is nothing to rebuild from', async () => {
  await using world = await startWorld()
  const { relay } = world
  const without = async (...names: string[]): Promise<string> => {
    const environment = { ...relay.environment }
    for (const name of names) delete environment[name]
    const words = ['src/cli.ts', 'queue', 'rebuild']
    const { code, err } = await run(process.execPath, words, environment)
    expect(code).toBe(1)
    return err
  }
  expect(await without('WAYPOST_CONTENT')).toContain('restore a backup of Redis instead')
  expect(await without('WAYPOST_CONTENT', 'WAYPOST_REDIS', 'WAYPOST_REDIS_PREFIX')).toContain(
    'put a file of `waypost backup` there as queue.db instead',
  )
})

const wrong: [what: string, settings: () => Record<string, string>, says: string][] = [
  [
    'a bucket that is not there',
    () => ({ WAYPOST_CONTENT: s3.content('nowhere') }),
    'there is no bucket "nowhere"; is WAYPOST_CONTENT right, and does the store run?',
  ],
  [
    'no credentials',
    () => ({ AWS_ACCESS_KEY_ID: '', AWS_EC2_METADATA_DISABLED: 'true' }),
    'set AWS_ACCESS_KEY_ID',
  ],
]
for (const [what, settings, says] of wrong)
  test(`a relay with ${what} says so and does not start`, async () => {
    await using world = await startWorld()
    const { relay } = world
    const { code, err, out } = await run(process.execPath, ['src/cli.ts', 'start'], {
      ...relay.environment,
      ...settings(),
    })
    expect(out + err).toContain(says)
    expect(code).toBe(1)
  })

test('a broken object is told by where it is, and the others are restored', async () => {
  await using world = await startWorld()
  const { relay, prefix } = world
  await send(relay, [['bo@slow.example'], ['bo@slow.example']])
  const [first = '', second = ''] = await objects(world)
  await s3.put(first, (await s3.get(first)).subarray(0, 300))
  await flush()
  const { code, out, err } = await relay.waypost('queue', 'rebuild')
  expect(err).toContain(`Cannot restore s3://mail/test/${first}: its header has`)
  expect(out).toContain('1 restored')
  expect(out).toContain('1 broken')
  expect(code).toBe(1)
  const ids = (await relay.entries()).map(({ id }) => `${prefix}/${id}`)
  expect(ids).toEqual([second])
})

test('mail gets 451 while the object store is away, and is taken when it is back', async () => {
  await using world = await startWorld()
  const { relay, far } = world
  await s3.away()
  expect(await send(relay, [['ana@far.example']])).toEqual([expect.stringMatching(/^451 4\.3\.0 /)])
  const { code, out } = await relay.waypost('status')
  expect(out).toMatch(/trouble +Cannot reach s3:/)
  expect(code).toBe(1)
  await s3.back()
  const taken = async (): Promise<boolean> =>
    (await send(relay, [['ana@far.example']]))[0]!.startsWith('250')
  await until(taken, 'mail to be taken')
  await until(() => far.mails.length === 1)
  await until(async () => (await objects(world)).length === 0, 'the objects to go')
  expect((await relay.waypost('status')).out).toMatch(/content +in s3:\/\/mail\/test at http:/)
})

test('an object store that falls silent costs a client no more than its patience', async () => {
  await using world = await startWorld()
  s3.freeze()
  expect(await send(world.relay, [['ana@far.example']])).toEqual([expect.stringMatching(/^451 /)])
  s3.thaw()
  // It was written, and is not wanted.
  await until(async () => (await objects(world)).length === 0, 'the objects to go')
  expect(world.far.mails).toHaveLength(0)
}, 40_000)

test('what a relay had written and not accepted when it was killed is never delivered', async () => {
  await using world = await startWorld()
  const { relay, far } = world
  s3.freeze()
  const sending = send(relay, [['ana@far.example']]).catch(() => ['cut'])
  await until(async () => (await objects(world)).length === 1, 'the object')
  await relay.kill()
  expect(await sending).toEqual(['cut'])
  s3.thaw()
  expect(await objects(world)).toHaveLength(1)
  expect(await rebuild(relay)).toMatchObject({ restored: 0, arriving: 1 })
  await relay.start()
  await until(async () => (await objects(world)).length === 0, 'the sweep', 30_000)
  expect(far.mails).toHaveLength(0)
}, 60_000)

test('a large message streams to the object store and from it', async () => {
  await using world = await startWorld()
  const { relay, slow } = world
  relay.forgetPeak()
  const before = relay.memory().resident
  const replies = await send(relay, [['bo@slow.example']], 20_000_000)
  expect(replies).toEqual([expect.stringMatching(/^250/)])
  expect(await objects(world)).toHaveLength(2)
  await flush()
  expect(await rebuild(relay)).toMatchObject({ restored: 1 })
  slow.rules = {}
  await until(
    () => slow.mails.length === 1,
    () => relay.said(),
    30_000,
  )
  expect(slow.mails[0]!.bytes).toBeGreaterThan(20_000_000)
  expect(relay.memory().peak - before).toBeLessThan(150e6)
  await until(async () => (await objects(world)).length === 0, 'the objects to go')
}, 60_000)
