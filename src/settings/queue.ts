// Which engine keeps the queue, where, and how well.

import { resolve } from 'node:path'
import type { RedisPlace } from '../queue/bullmq/place.ts'
import { row, type ValuesOf } from './row.ts'
import * as values from './values.ts'

export const QUEUE = {
  data: row(
    'WAYPOST_DATA',
    './data',
    (text) => resolve(text),
    'The folder that holds the queue; one relay each. Not used with WAYPOST_REDIS',
  ),
  redis: row(
    'WAYPOST_REDIS',
    '',
    values.readRedis,
    'Keep the queue in this Redis or Valkey, for any number of processes: redis://host:6379/0, rediss:// (TLS) or redis+sentinel://host:26379,host:26379/name',
  ),
  redisPrefix: row(
    'WAYPOST_REDIS_PREFIX',
    'waypost',
    values.readPrefix,
    'What all its keys in Redis begin with: relays that share a queue have the same',
  ),
  content: row(
    'WAYPOST_CONTENT',
    '',
    values.readContent,
    'Keep the content of mail outside of Redis, in this object store: s3://bucket/prefix?region=… or s3://bucket/prefix?endpoint=https://…; credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or whatever AWS’ own tools find',
  ),
  redisReplicas: row(
    'WAYPOST_REDIS_REPLICAS',
    '0',
    values.readReplicas,
    'Replicas of Redis that must have a message too before its 250',
  ),
  durability: row(
    'WAYPOST_DURABILITY',
    'strict',
    values.readDurability,
    'strict: a server that does not sync every message before its 250 is refused; relaxed: up to a second of accepted mail may be lost',
  ),
  diskReserve: row(
    'WAYPOST_DISK_RESERVE',
    'auto',
    values.readReserve,
    'Free space under which no mail is accepted (452 4.3.1); auto: the smaller of 1GB and 5 % of the disk, and at least 64MB, since with less a full disk also stops settling',
  ),
  history: row(
    'WAYPOST_HISTORY',
    '7d auto',
    values.readHistory,
    'How long and how much is kept of messages that have ended; the oldest go first. auto: 10GB on disk, 1GB in Redis',
  ),
} as const

export interface QueueSettings extends Pick<
  ValuesOf<typeof QUEUE>,
  'data' | 'diskReserve' | 'history'
> {
  /** Where the queue is, when it is in Redis. */
  readonly redis: RedisPlace | undefined
}

export function queueSettings(read: ValuesOf<typeof QUEUE>): QueueSettings {
  const { data, diskReserve, history, redis: address, content } = read
  if (address === undefined) return { data, diskReserve, history, redis: undefined }
  const wish = { replicas: read.redisReplicas, relaxed: read.durability === 'relaxed' }
  const place = { address, prefix: read.redisPrefix, wish }
  const redis = content === undefined ? place : { ...place, content }
  return { data, diskReserve, history, redis }
}

/** What the embedded engine cannot do. */
export function queueProblems(read: ValuesOf<typeof QUEUE>): string[] {
  if (read.redis !== undefined) return []
  const problems: string[] = []
  if (read.redisReplicas > 0)
    problems.push('WAYPOST_REDIS_REPLICAS: there is no Redis, set WAYPOST_REDIS')
  if (read.content !== undefined)
    problems.push('WAYPOST_CONTENT: the embedded queue keeps content itself; set WAYPOST_REDIS')
  if (read.durability === 'relaxed')
    problems.push('WAYPOST_DURABILITY: the embedded queue syncs every message; leave it out')
  return problems
}
