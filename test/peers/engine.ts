// Which engine the relays of these tests keep their mail in: the embedded one, or the Redis that was
// started for their project. Each data folder has a queue of its own there.

import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { inject } from 'vitest'

const url = inject('redis')

export const ON_REDIS = url !== undefined

/** Settings of a relay with this data folder. */
export function engineSettings(data: string): Record<string, string> {
  if (url === undefined) return {}
  return { WAYPOST_REDIS: url, WAYPOST_REDIS_PREFIX: prefixOf(data) }
}

function prefixOf(data: string): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 12)
}

/** What is stored of large content: files, or keys of pieces. */
export async function storedContent(data: string): Promise<string[]> {
  if (url === undefined) return readdir(join(data, 'content'))
  const redis = new Redis(url)
  const keys = await redis.keys(`{${prefixOf(data)}}/c/*`)
  redis.disconnect()
  return keys
}

/** As if the disk were broken. */
export async function loseContent(data: string): Promise<void> {
  if (url === undefined) return rm(join(data, 'content'), { recursive: true })
  const redis = new Redis(url)
  await redis.del(await storedContent(data))
  redis.disconnect()
}
