// Redis as docker-compose.yml starts it: what it is told, and that a relay takes it for durable.

import { expect, test } from 'vitest'
import { parseSize } from '../../src/base/units.ts'
import { systemClock } from '../../src/base/clock.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { openBullmqQueue } from '../../src/queue/bullmq/queue.ts'
import { startRedis } from '../peers/redis.ts'
import { readCompose, redisSettings } from './compose.ts'

const { services, volumes } = readCompose({ WAYPOST_HOSTNAME: 'relay.example.com' })
const redis = services['redis']!
const told = redisSettings(redis)

/** What it does unless it is told otherwise. */
const UNTOLD = {
  appendonly: 'no',
  appendfsync: 'everysec',
  save: '3600 1',
  'auto-aof-rewrite-min-size': '64mb',
  'hash-max-listpack-value': '64',
}

test('Redis is told to sync every message and to throw none away', () => {
  expect(told).toEqual({
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    maxmemory: '2gb',
    'maxmemory-policy': 'noeviction',
    'auto-aof-rewrite-min-size': '1gb',
    'hash-max-listpack-value': '2048',
  })
})

test('an operator says how much memory Redis may have', () => {
  const environment = { WAYPOST_HOSTNAME: 'relay.example.com', REDIS_MAXMEMORY: '6gb' }
  const { maxmemory } = redisSettings(readCompose(environment).services['redis']!)
  expect(maxmemory).toBe('6gb')
})

test('Redis is reached by the relays alone, keeps its log in a volume, and says when it is ready', () => {
  expect(redis.ports).toBeUndefined()
  expect(redis.volumes).toEqual(['redis:/data'])
  expect(volumes).toHaveProperty('redis')
  expect(redis.healthcheck!.test).toEqual(['CMD', 'valkey-cli', '-e', 'ping'])
})

test('a relay takes a server with these settings for durable', async () => {
  await using server = await startRedis({ settings: { ...UNTOLD, ...told } })
  await using queue = await openBullmqQueue({
    address: readAddress(server.url),
    clock: systemClock,
    wish: { replicas: 0, relaxed: false },
    about: () => ({
      name: 'test',
      hostname: 'relay.test',
      roles: ['listen'],
      sources: ['test'],
      listeners: [],
    }),
  })
  const engine = await queue.engine()
  expect(engine.durability).toBe('every message is synced before its 250 (appendfsync always)')
  expect(engine.isRelaxed).toBe(false)
  expect(engine.trouble).toBeUndefined()
  expect(engine.server!['maxmemory']).toBe(parseSize('2GB'))
})
