// What a 250 means, as the server's own words decide it: which settings are taken, what is said of them,
// and what whoever starts a relay on the others is told to change.

import { afterAll, beforeAll, expect, test } from 'vitest'

import {
  durabilityOf,
  type DurabilityWish,
  type ServerFacts,
} from '../../../src/queue/bullmq/link/durability.ts'
import { until } from '../../peers/patience.ts'
import { startRedis, type RedisServer } from '../../peers/redis.ts'
import { mailOf, statesOf } from '../mail.ts'
import { cutAll, notes, openWorld, whenBack } from './world.ts'

const SOUND: ServerFacts = {
  product: 'redis',
  version: '7.0.15',
  compatible: '7.0.15',
  role: 'master',
  run: 'a1b2',
  replicas: 0,
  appendOnly: true,
  appendFsync: 'always',
  maxMemory: 0,
  maxMemoryPolicy: 'noeviction',
  usedMemory: 1,
}

const NEWER = { version: '7.2.0', compatible: '7.2.0' }
const OF_VALKEY = { product: 'valkey', version: '8.1.0', compatible: '7.2.4' }
const SYNCED = 'every message is synced before its 250 (appendfsync always)'

const TAKEN: [
  what: string,
  Partial<ServerFacts>,
  Partial<DurabilityWish>,
  says: string,
  wait: object,
][] = [
  ['appendfsync always', {}, {}, SYNCED, { kind: 'nothing' }],
  ['appendfsync always on 7.2', NEWER, {}, SYNCED, { kind: 'nothing' }],
  [
    'appendfsync everysec on 7.2',
    { ...NEWER, appendFsync: 'everysec' },
    {},
    'every message is synced before its 250 (WAITAOF)',
    { kind: 'aof', replicas: 0 },
  ],
  [
    'a server of 7.2 that hides its settings',
    { ...NEWER, appendFsync: undefined },
    {},
    'every message is synced before its 250 (WAITAOF)',
    { kind: 'aof', replicas: 0 },
  ],
  [
    'Valkey',
    { ...OF_VALKEY, appendFsync: 'everysec' },
    {},
    'every message is synced before its 250 (WAITAOF)',
    { kind: 'aof', replicas: 0 },
  ],
  [
    'a replica that is waited for',
    { replicas: 1 },
    { replicas: 1 },
    'every message is synced and held by 1 replica before its 250 (appendfsync always)',
    { kind: 'replicas', replicas: 1 },
  ],
  [
    'two replicas that are waited for, on 7.2',
    { ...NEWER, replicas: 2 },
    { replicas: 2 },
    'every message is synced and on 2 replicas before its 250 (WAITAOF)',
    { kind: 'aof', replicas: 2 },
  ],
  ['relaxed where nothing is weak', {}, { relaxed: true }, SYNCED, { kind: 'nothing' }],
]

for (const [what, facts, wish, says, wait] of TAKEN)
  test(`${what}: "${says}"`, () => {
    const durability = durabilityOf({ ...SOUND, ...facts }, asWish(wish), false)
    expect(durability).toEqual({ says, isRelaxed: false, wait })
  })

const WEAK: [what: string, Partial<ServerFacts>, says: string, sentinel?: true][] = [
  ['everysec', { appendFsync: 'everysec' }, 'appendfsync is everysec: set it to always'],
  ['an unknown fsync', { appendFsync: undefined }, 'appendfsync is not to be read'],
  ['a replica', { replicas: 1 }, 'a replica may take over (1 connected) without the last mail'],
  ['sentinels', {}, 'a replica may take over (0 connected) without the last mail', true],
]

for (const [what, facts, says, sentinel = false] of WEAK)
  test(`${what} is refused, unless the operator takes the loss, and then that is said`, () => {
    const all = { ...SOUND, ...facts }
    expect(() => durabilityOf(all, asWish({}), sentinel)).toThrow(says)
    expect(() => durabilityOf(all, asWish({}), sentinel)).toThrow('WAYPOST_DURABILITY=relaxed')
    const durability = durabilityOf(all, asWish({ relaxed: true }), sentinel)
    expect(durability).toMatchObject({ isRelaxed: true, wait: { kind: 'nothing' } })
    expect(durability.says).toContain(
      `relaxed: up to a second of accepted mail may be lost (${says}`,
    )
  })

const HOPELESS: [what: string, Partial<ServerFacts>, says: string][] = [
  ['6.2', { version: '6.2.1', compatible: '6.2.1' }, 'Redis 6.2.1 is too old: 7.0 is the oldest'],
  ['a replica', { role: 'slave' }, 'Redis 7.0.15 is a slave, not a master: name the master'],
  ['no append-only file', { appendOnly: false }, 'appendonly is no; set appendonly yes'],
  ['appendfsync no', { appendFsync: 'no' }, 'appendfsync is no; set it to always'],
  [
    'eviction',
    { maxMemoryPolicy: 'allkeys-lru' },
    'maxmemory-policy is allkeys-lru; set it to noev',
  ],
]

for (const [what, facts, says] of HOPELESS)
  test(`${what} is refused whatever the operator takes`, () => {
    for (const relaxed of [false, true])
      expect(() => durabilityOf({ ...SOUND, ...facts }, asWish({ relaxed }), false)).toThrow(says)
  })

function asWish(wish: Partial<DurabilityWish>): DurabilityWish {
  return { replicas: 0, relaxed: false, ...wish }
}

let server: RedisServer
beforeAll(async () => void (server = await startRedis()))
afterAll(() => server[Symbol.asyncDispose]())

const SETTINGS: [name: string, bad: string, good: string, says: string][] = [
  ['appendonly', 'no', 'yes', 'appendonly is no'],
  ['appendfsync', 'no', 'always', 'appendfsync is no'],
  ['maxmemory-policy', 'volatile-ttl', 'noeviction', 'maxmemory-policy is volatile-ttl'],
]

for (const [name, bad, good, says] of SETTINGS) {
  test(`a relay does not start on a server with ${name} ${bad}, and says so`, async () => {
    await using world = await openWorld(server)
    await world.redis.config('SET', name, bad)
    await expect(world.open()).rejects.toThrow(says)
    await world.redis.config('SET', name, good)
    const queue = await world.open()
    expect(await queue.engine()).toMatchObject({ isRelaxed: false, server: { [name]: good } })
  })

  test(`${name} ${bad} is seen when the relay is connected anew, and so is ${good}`, async () => {
    await using world = await openWorld(server)
    const queue = await world.open()
    const mail = await mailOf(queue, world.clock, {})
    await world.redis.config('SET', name, bad)
    await cutAll(world)
    await until(
      () => notes(world).includes('Redis is back and does not keep what it should'),
      () => `the relay to look: ${notes(world).join('; ')}`,
    )
    expect(queue.refuses()).toBe('away')
    await expect(queue.accept(mail)).rejects.toThrow(says)
    expect((await queue.engine()).trouble).toContain(says)

    await world.redis.config('SET', name, good)
    world.clock.pass(5000)
    await whenBack(queue)
    expect(await statesOf(queue, await queue.accept(mail))).toEqual(['waiting'])
  })
}
